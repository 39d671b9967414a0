//! TFTP against tftpd-hpa, atftpd, dnsmasq, tftp-hpa, atftp and curl.
