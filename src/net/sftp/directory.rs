//! An open directory: list, read, write, rename, remove.

use std::time::Duration;

use russh::Disconnect;
use russh::client::Handle;
use russh_sftp::client::RawSftpSession;
use russh_sftp::client::error::Error;
use russh_sftp::protocol::{FileAttributes, OpenFlags, Status, StatusCode};
use tokio::time::timeout;

use super::client::Checker;
use super::fault::{Doing, SftpFault, quoted};
use super::key::HostKey;
use super::link::{End, Link};
use super::settings::SizeLimits;
use crate::cluster::bulk::directory::Listed;

/// Bytes asked for at a time. A server may give less, and most have a limit of their own.
const READ_CHUNK: u32 = 64 * 1024;
/// Bytes sent at a time: every server takes packets of 34,000 bytes (SFTP draft 02, section 3).
const WRITE_CHUNK: usize = 32 * 1024;
/// Longest file name in bytes that is sent or listed, as most file systems have it.
const NAME_BYTES: usize = 255;
/// `f_flag` of statvfs@openssh.com: the file system is read-only.
const STATVFS_READ_ONLY: u64 = 1;

/// A directory on an SFTP server, over a connection of its own.
///
/// Every call ends within its deadline. After [`SftpFault::Cut`], [`SftpFault::NoAnswer`] and an
/// answer that cannot be read the connection is gone, and further calls say [`SftpFault::Cut`].
/// Dropping it cuts the connection; [`close`](Self::close) says goodbye first.
pub struct SftpDirectory {
    pub(super) sftp: RawSftpSession,
    /// Of the SFTP stream.
    pub(super) end: End,
    pub(super) session: Handle<Checker>,
    pub(super) link: Link,
    pub(super) host_key: HostKey,
    /// The server can say how full its file system is.
    pub(super) has_statvfs: bool,
    pub(super) directory: String,
    pub(super) call_within: Duration,
    pub(super) limits: SizeLimits,
}

impl SftpDirectory {
    /// The key that the server has shown.
    pub fn host_key(&self) -> &HostKey {
        &self.host_key
    }

    /// The plain files of the directory, by name. Directories, and names that could not be asked
    /// for, are left out.
    ///
    /// # Errors
    /// [`SftpFault`]; [`SftpFault::TooLarge`] above the limit of entries.
    pub async fn list(&mut self) -> Result<Vec<Listed>, SftpFault> {
        self.within(Doing::Listing, self.listing()).await
    }

    /// A whole file.
    ///
    /// # Errors
    /// [`SftpFault`]; [`SftpFault::TooLarge`] above the limit of a file.
    pub async fn read(&mut self, name: &str) -> Result<Vec<u8>, SftpFault> {
        let limit = self.limits.file_bytes;
        let bytes = self.read_up_to(name, limit.saturating_add(1)).await?;
        if bytes.len() as u64 > limit {
            return Err(self.too_large(name));
        }
        Ok(bytes)
    }

    /// The first `most` bytes of a file, or all if it has fewer.
    pub(super) async fn read_up_to(&mut self, name: &str, most: u64) -> Result<Vec<u8>, SftpFault> {
        let path = self.path(name)?;
        let doing = Doing::Reading(name.to_owned());
        self.within(doing.clone(), self.reading(name, path, most, doing))
            .await
    }

    /// Writes a whole file, over what was there. After a fault it may be there in part, so write to
    /// a temporary name and rename.
    ///
    /// # Errors
    /// [`SftpFault`]; [`SftpFault::TooLarge`] above the limit of a file, and nothing is sent.
    pub async fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), SftpFault> {
        let path = self.path(name)?;
        if bytes.len() as u64 > self.limits.file_bytes {
            return Err(self.too_large(name));
        }
        let doing = Doing::Writing(name.to_owned());
        self.within(doing.clone(), self.writing(name, path, bytes, doing))
            .await
    }

    /// Gives a file another name. Version 3 of the protocol refuses a name that is taken.
    ///
    /// # Errors
    /// [`SftpFault`]; [`SftpFault::Exists`] where the new name is taken.
    pub async fn rename(&mut self, from: &str, to: &str) -> Result<(), SftpFault> {
        let paths = (self.path(from)?, self.path(to)?);
        let doing = Doing::Renaming(from.to_owned());
        let renaming = async {
            let (from_path, to_path) = paths;
            let renamed = self.sftp.rename(from_path, to_path.clone()).await;
            let Err(error) = renamed else { return Ok(()) };
            // Most servers have but "failure" for a name that is taken.
            if is_status(&error, StatusCode::Failure) && self.sftp.lstat(to_path).await.is_ok() {
                return Err(SftpFault::Exists {
                    file: to.to_owned(),
                });
            }
            Err(self.cannot_change(error, from, 0, doing.clone()).await)
        };
        self.within(doing.clone(), renaming).await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// [`SftpFault`].
    pub async fn remove(&mut self, name: &str) -> Result<(), SftpFault> {
        let path = self.path(name)?;
        let doing = Doing::Removing(name.to_owned());
        let removing = async {
            match self.sftp.remove(path).await {
                Ok(_) => Ok(()),
                Err(error) => Err(self.cannot_change(error, name, 0, doing.clone()).await),
            }
        };
        self.within(doing.clone(), removing).await
    }

    /// Says goodbye and ends the connection. A server that does not answer is not waited for beyond
    /// the deadline of a call.
    pub async fn close(self) {
        let Self {
            sftp,
            session,
            link,
            call_within,
            ..
        } = self;
        let goodbye = async {
            // A connection that has ended already needs no goodbye.
            let _ = sftp.close_session();
            let _ = session.disconnect(Disconnect::ByApplication, "", "").await;
            let _ = session.await;
        };
        let _ = timeout(call_within, goodbye).await;
        drop(link);
    }

    /// Looks whether the directory is one.
    pub(super) async fn find(&self) -> Result<(), SftpFault> {
        let doing = Doing::Opening;
        let found = self.end.or(self.sftp.stat(self.here())).await;
        let attributes = match found.ok_or(SftpFault::Cut { doing })? {
            Ok(found) => found.attrs,
            Err(error) if is_status(&error, StatusCode::NoSuchFile) => {
                return Err(self.no_directory());
            }
            Err(error) => return Err(self.fault(error, &self.directory, Doing::Opening)),
        };
        match kind(&attributes) {
            Kind::Directory | Kind::Unsaid => Ok(()),
            Kind::File | Kind::Link | Kind::Other => Err(self.no_directory()),
        }
    }

    async fn listing(&self) -> Result<Vec<Listed>, SftpFault> {
        let fault = |error| match error {
            error if is_status(&error, StatusCode::NoSuchFile) => self.no_directory(),
            error => self.fault(error, &self.directory, Doing::Listing),
        };
        let handle = self.sftp.opendir(self.here()).await.map_err(fault)?.handle;
        let listed = self.entries(&handle).await;
        let (mut listed, closed) = self.closed(handle, listed).await?;
        closed.map_err(fault)?;
        listed.sort();
        Ok(listed)
    }

    /// Closes a file or directory, whatever came of it, while there is a server to close it: the
    /// result, and that of closing.
    async fn closed<T>(
        &self,
        handle: String,
        result: Result<T, SftpFault>,
    ) -> Result<(T, Result<(), Error>), SftpFault> {
        if result.is_err() && self.end.has_come() {
            return result.map(|value| (value, Ok(())));
        }
        let closed = self.sftp.close(handle).await;
        result.map(|value| (value, closed.map(drop)))
    }

    async fn entries(&self, handle: &str) -> Result<Vec<Listed>, SftpFault> {
        let fault = |error| self.fault(error, &self.directory, Doing::Listing);
        let mut seen = 0;
        let mut listed = Vec::new();
        loop {
            let files = match self.sftp.readdir(handle).await {
                Ok(name) => name.files,
                Err(error) if is_status(&error, StatusCode::Eof) => return Ok(listed),
                Err(error) => return Err(fault(error)),
            };
            for file in files {
                seen += 1;
                if seen > self.limits.entries {
                    return Err(SftpFault::TooLarge {
                        what: format!("the directory {:?}", self.directory),
                        limit: self.limits.entries as u64,
                        unit: "files",
                    });
                }
                if !is_plain(&file.filename) {
                    continue;
                }
                if let Some(bytes) = self.size(&file.filename, &file.attrs).await? {
                    let name = file.filename;
                    listed.push(Listed { name, bytes });
                }
            }
        }
    }

    /// The size of a listed file; nothing for what is no file. A link counts as what it names.
    async fn size(&self, name: &str, listed: &FileAttributes) -> Result<Option<u64>, SftpFault> {
        if let (Kind::File, Some(bytes)) = (kind(listed), listed.size) {
            return Ok(Some(bytes));
        }
        if matches!(kind(listed), Kind::Directory | Kind::Other) {
            return Ok(None);
        }
        match self.sftp.stat(self.path(name)?).await {
            Ok(found) => Ok(match kind(&found.attrs) {
                Kind::File | Kind::Unsaid => Some(found.attrs.len()),
                Kind::Directory | Kind::Link | Kind::Other => None,
            }),
            // A link to nowhere, or a file that has gone meanwhile.
            Err(Error::Status(_)) => Ok(None),
            Err(error) => Err(self.fault(error, name, Doing::Listing)),
        }
    }

    async fn reading(
        &self,
        name: &str,
        path: String,
        most: u64,
        doing: Doing,
    ) -> Result<Vec<u8>, SftpFault> {
        let fault = |error| self.fault(error, name, doing.clone());
        let flags = OpenFlags::READ;
        let opened = self.sftp.open(path, flags, FileAttributes::empty()).await;
        let handle = opened.map_err(fault)?.handle;
        let mut bytes = Vec::new();
        let read = loop {
            let offset = bytes.len() as u64;
            let wanted = most.saturating_sub(offset).min(u64::from(READ_CHUNK)) as u32;
            if wanted == 0 {
                break Ok(());
            }
            match self.sftp.read(handle.as_str(), offset, wanted).await {
                Ok(data) if (1..=wanted as usize).contains(&data.data.len()) => {
                    bytes.extend_from_slice(&data.data);
                }
                Ok(data) => {
                    let count = data.data.len();
                    break Err(SftpFault::Protocol(format!(
                        "{count} bytes where 1 to {wanted} were asked for"
                    )));
                }
                Err(error) if is_status(&error, StatusCode::Eof) => break Ok(()),
                Err(error) => break Err(fault(error)),
            }
        };
        let ((), closed) = self.closed(handle, read).await?;
        closed.map_err(fault)?;
        Ok(bytes)
    }

    async fn writing(
        &self,
        name: &str,
        path: String,
        bytes: &[u8],
        doing: Doing,
    ) -> Result<(), SftpFault> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let opened = self.sftp.open(path, flags, FileAttributes::empty()).await;
        let handle = match opened {
            Ok(handle) => handle.handle,
            // The file is to be made, so it is not the file that is missing.
            Err(error) if is_status(&error, StatusCode::NoSuchFile) => {
                return Err(self.no_directory());
            }
            Err(error) => return Err(self.cannot_change(error, name, 1, doing).await),
        };
        let written = self.chunks(&handle, name, bytes, doing.clone()).await;
        let ((), closed) = self.closed(handle, written).await?;
        match closed {
            Ok(()) => Ok(()),
            // Some file systems notice only here that they are full.
            Err(error) => Err(self.cannot_change(error, name, 1, doing).await),
        }
    }

    async fn chunks(
        &self,
        handle: &str,
        name: &str,
        bytes: &[u8],
        doing: Doing,
    ) -> Result<(), SftpFault> {
        let mut offset = 0;
        for chunk in bytes.chunks(WRITE_CHUNK) {
            if let Err(error) = self.sftp.write(handle, offset, chunk.to_vec()).await {
                let needed = chunk.len() as u64;
                return Err(self.cannot_change(error, name, needed, doing).await);
            }
            offset += chunk.len() as u64;
        }
        match self.sftp.fstat(handle).await {
            Ok(found) if found.attrs.size.is_some_and(|size| size != offset) => {
                let size = found.attrs.len();
                Err(SftpFault::Failed {
                    file: name.to_owned(),
                    said: format!("{offset} bytes were written, {size} are there"),
                })
            }
            Ok(_) => Ok(()),
            // A server need not know the size of what it takes in.
            Err(Error::Status(_)) => Ok(()),
            Err(error) => Err(self.fault(error, name, doing)),
        }
    }

    /// Why the directory cannot be changed, for want of `needed` bytes perhaps. Version 3 has one
    /// code for a full disk, a read-only one and much else, so the server is asked how its file
    /// system is, where it can say.
    async fn cannot_change(
        &self,
        error: Error,
        name: &str,
        needed: u64,
        doing: Doing,
    ) -> SftpFault {
        let file = name.to_owned();
        let Error::Status(Status {
            status_code,
            error_message,
            ..
        }) = &error
        else {
            return self.fault(error, name, doing);
        };
        let failed = *status_code == StatusCode::Failure;
        if !failed && *status_code != StatusCode::PermissionDenied {
            return self.fault(error, name, doing);
        }
        if self.has_statvfs
            && let Ok(system) = self.sftp.statvfs(self.here()).await
        {
            if system.flags & STATVFS_READ_ONLY != 0 {
                return SftpFault::ReadOnly { file };
            }
            let free = system.blocks_avail.saturating_mul(system.fragment_size);
            // Some file systems have no fixed number of files, and say 0 of 0.
            let no_more_files = system.inodes > 0 && system.inodes_avail == 0;
            if failed && (free < needed || (needed > 0 && no_more_files)) {
                return SftpFault::DiskFull { file };
            }
        }
        // The words of strerror(3), which servers without that question like to pass on.
        let said = error_message.to_ascii_lowercase();
        if said.contains("no space") || said.contains("disk full") || said.contains("quota") {
            return SftpFault::DiskFull { file };
        }
        if said.contains("read-only") || said.contains("readonly") {
            return SftpFault::ReadOnly { file };
        }
        self.fault(error, name, doing)
    }

    fn fault(&self, error: Error, name: &str, doing: Doing) -> SftpFault {
        let file = name.to_owned();
        match error {
            Error::Status(status) => match status.status_code {
                StatusCode::NoSuchFile => SftpFault::NoSuchFile { file },
                StatusCode::PermissionDenied => SftpFault::PermissionDenied { file },
                StatusCode::NoConnection | StatusCode::ConnectionLost => SftpFault::Cut { doing },
                StatusCode::Ok
                | StatusCode::Eof
                | StatusCode::Failure
                | StatusCode::BadMessage
                | StatusCode::OpUnsupported => SftpFault::Failed {
                    file,
                    said: quoted(&status.error_message),
                },
            },
            _ if self.end.has_come() => SftpFault::Cut { doing },
            // The stream stands, so it is what came over it that could not be read.
            other => {
                self.give_up();
                SftpFault::Protocol(quoted(&other.to_string()))
            }
        }
    }

    async fn within<T>(
        &self,
        doing: Doing,
        call: impl Future<Output = Result<T, SftpFault>>,
    ) -> Result<T, SftpFault> {
        let within = self.call_within;
        match timeout(within, self.end.or(call)).await {
            Ok(Some(result)) => result,
            Ok(None) => Err(SftpFault::Cut { doing }),
            Err(_) => {
                self.give_up();
                Err(SftpFault::NoAnswer { doing, within })
            }
        }
    }

    /// The connection is of no more use: requests and answers are out of step.
    fn give_up(&self) {
        self.end.note();
        self.link.sever();
    }

    /// The directory, as it is asked for.
    fn here(&self) -> &str {
        if self.directory.is_empty() {
            return ".";
        }
        &self.directory
    }

    fn path(&self, name: &str) -> Result<String, SftpFault> {
        if !is_plain(name) {
            return Err(SftpFault::BadName {
                name: name.to_owned(),
            });
        }
        Ok(match self.directory.as_str() {
            "" => name.to_owned(),
            directory => format!("{}/{name}", directory.trim_end_matches('/')),
        })
    }

    fn no_directory(&self) -> SftpFault {
        SftpFault::NoDirectory {
            directory: self.directory.clone(),
        }
    }

    fn too_large(&self, name: &str) -> SftpFault {
        SftpFault::TooLarge {
            what: format!("{name:?}"),
            limit: self.limits.file_bytes,
            unit: "bytes",
        }
    }
}

impl std::fmt::Debug for SftpDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SftpDirectory")
            .field("directory", &self.directory)
            .field("host_key", &self.host_key)
            .finish_non_exhaustive()
    }
}

/// One component of a path and nothing else, on any system: no separators, no way up, nothing that
/// a terminal would obey.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= NAME_BYTES
        && name != "."
        && name != ".."
        && !name.contains(|c: char| c == '/' || c == '\\' || c.is_control())
}

fn is_status(error: &Error, code: StatusCode) -> bool {
    matches!(error, Error::Status(status) if status.status_code == code)
}

/// What a listed name is.
enum Kind {
    File,
    Directory,
    Link,
    Other,
    /// The server does not say.
    Unsaid,
}

fn kind(attributes: &FileAttributes) -> Kind {
    // The file type of POSIX's st_mode, which the permissions carry.
    match attributes.permissions.map(|mode| mode & 0o170_000) {
        None | Some(0) => Kind::Unsaid,
        Some(0o100_000) => Kind::File,
        Some(0o040_000) => Kind::Directory,
        Some(0o120_000) => Kind::Link,
        Some(_) => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_are_sent() {
        for name in [
            "a",
            "CallManager_src-pub.p12",
            ".hidden",
            "a b",
            "\u{e9}",
            "...",
            "a:b",
        ] {
            assert!(is_plain(name), "{name:?}");
        }
        let long = "x".repeat(NAME_BYTES + 1);
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "/a",
            "a\\b",
            "a\0",
            "a\nb",
            "\u{1b}[2J",
            &long,
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn the_file_type_is_not_guessed_from_single_bits() {
        let of = |mode| {
            kind(&FileAttributes {
                permissions: mode,
                ..FileAttributes::empty()
            })
        };
        assert!(matches!(of(Some(0o100_644)), Kind::File));
        assert!(matches!(of(Some(0o040_755)), Kind::Directory));
        assert!(matches!(of(Some(0o120_777)), Kind::Link));
        // A block device and a socket share bits with a directory.
        assert!(matches!(of(Some(0o060_660)), Kind::Other));
        assert!(matches!(of(Some(0o140_755)), Kind::Other));
        assert!(matches!(of(Some(0o644)), Kind::Unsaid));
        assert!(matches!(of(None), Kind::Unsaid));
    }
}
