//! SFTP requests on the lab server's tree.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use russh_sftp::protocol::{
    Attrs, Data, ExtendedReply, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status,
    StatusCode, Version,
};
use russh_sftp::server::{Handler, StatusReply};
use tokio::sync::watch;

use super::server::{Client, ServeEvent, Writes};
use super::tree::{FileId, Opening, Stat, TreeFault, TreePath, seconds};

/// Most bytes of one answer. A client that asks for more gets less, as it must expect.
const READ_BYTES: u32 = 64 * 1024;
/// Most entries of one answer; with names of 255 bytes they stay below 50 KB.
const LISTED: usize = 64;
/// Units of the file system's size in statvfs.
const BLOCK_BYTES: u64 = 1;
const STATVFS_READ_ONLY: u64 = 1;

/// One SFTP channel.
pub(super) struct Files {
    client: Arc<Client>,
    session: watch::Receiver<()>,
    handles: BTreeMap<u64, Open>,
    next: u64,
    /// Bytes of files that this channel has carried, either way.
    carried: u64,
}

enum Open {
    Directory {
        path: TreePath,
        /// The last name that was told; all after it are still to come.
        told: Option<String>,
    },
    File {
        path: TreePath,
        id: FileId,
        writes: bool,
        reads: bool,
        append: bool,
        sent: u64,
    },
}

impl From<TreeFault> for StatusReply {
    fn from(fault: TreeFault) -> Self {
        // As OpenSSH translates the system's errors.
        let code = match fault {
            TreeFault::NoSuchFile | TreeFault::NotDirectory => StatusCode::NoSuchFile,
            TreeFault::BadPath => StatusCode::BadMessage,
            TreeFault::Exists
            | TreeFault::IsDirectory
            | TreeFault::NotEmpty
            | TreeFault::Full
            | TreeFault::TooLarge
            | TreeFault::TooMany => StatusCode::Failure,
        };
        code.with_message(fault.to_string())
    }
}

impl Files {
    pub(super) fn new(client: Arc<Client>, session: watch::Receiver<()>) -> Self {
        Self {
            client,
            session,
            handles: BTreeMap::new(),
            next: 0,
            carried: 0,
        }
    }

    /// Every request passes here.
    async fn heard(&mut self) -> Result<(), StatusReply> {
        if self.client.faults().mute {
            // Until the session ends: its sender is never used, only dropped.
            while self.session.changed().await.is_ok() {}
            return Err(StatusCode::ConnectionLost.into());
        }
        Ok(())
    }

    /// Every request that changes something passes here.
    async fn may_change(&mut self) -> Result<(), StatusReply> {
        self.heard().await?;
        match self.client.faults().writes {
            Writes::Taken => Ok(()),
            Writes::ReadOnly => Err(StatusCode::Failure.into()),
            Writes::Denied => Err(StatusCode::PermissionDenied.into()),
        }
    }

    fn hand_out(&mut self, id: u32, open: Open) -> Result<Handle, StatusReply> {
        if self.handles.len() >= self.client.limits().handles {
            return Err(StatusCode::Failure.with_message("too many open files"));
        }
        let number = self.next;
        self.next += 1;
        self.handles.insert(number, open);
        let handle = number.to_string();
        Ok(Handle { id, handle })
    }

    fn opened(&mut self, handle: &str) -> Result<&mut Open, StatusReply> {
        let number = handle.parse().ok();
        let open = number.and_then(|number: u64| self.handles.get_mut(&number));
        open.ok_or_else(|| StatusCode::Failure.with_message("no such handle"))
    }

    fn write_at(&mut self, file: FileId, offset: u64, data: &[u8]) -> Result<(), StatusReply> {
        let now = now();
        if let Err((left, cut)) = self.carry(data.len()) {
            // The connection ends here, so nobody hears whether these bytes fit.
            let _ = self
                .client
                .tree()
                .write_at(file, offset, &data[..left], now);
            return Err(cut);
        }
        self.client.tree().write_at(file, offset, data, now)?;
        Ok(())
    }

    /// Counts bytes of a file. Where the connection is to be cut within them, it is, and so many of
    /// them still count.
    fn carry(&mut self, bytes: usize) -> Result<(), (usize, StatusReply)> {
        let end = self.carried.saturating_add(bytes as u64);
        if let Some(cut_after) = self.client.faults().cut_after
            && end > cut_after
        {
            let left = usize::try_from(cut_after.saturating_sub(self.carried)).unwrap_or(0);
            self.carried = cut_after.max(self.carried);
            let peer = self.client.peer;
            self.client.report(ServeEvent::Cut { peer });
            self.client.link.sever();
            return Err((left, StatusCode::ConnectionLost.into()));
        }
        self.carried = end;
        Ok(())
    }

    /// The place that a request names.
    fn place(&self, path: &str) -> Result<TreePath, StatusReply> {
        let path = TreePath::parse(path)?;
        if self.client.faults().no_directory && path != TreePath::ROOT {
            return Err(TreeFault::NoSuchFile.into());
        }
        Ok(path)
    }

    fn attributes_at(&self, path: &str) -> Result<FileAttributes, StatusReply> {
        let path = self.place(path)?;
        Ok(attributes(self.client.tree().stat(&path)?))
    }
}

impl Handler for Files {
    type Error = StatusReply;

    fn unimplemented(&self) -> StatusReply {
        StatusCode::OpUnsupported.into()
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Result<Version, StatusReply> {
        self.heard().await?;
        let mut version = Version::new();
        let statvfs = ("statvfs@openssh.com".to_owned(), "2".to_owned());
        version.extensions.extend([statvfs]);
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, StatusReply> {
        let writes = flags.intersects(OpenFlags::WRITE | OpenFlags::APPEND);
        let how = Opening {
            create: writes && flags.contains(OpenFlags::CREATE),
            exclusive: flags.contains(OpenFlags::EXCLUDE),
            truncate: writes && flags.contains(OpenFlags::TRUNCATE),
        };
        if writes {
            self.may_change().await?;
        } else {
            self.heard().await?;
        }
        let path = self.place(&filename)?;
        // Before anything is made or emptied.
        if self.handles.len() >= self.client.limits().handles {
            return Err(StatusCode::Failure.with_message("too many open files"));
        }
        let file = self.client.tree().open(&path, how, now())?;
        let open = Open::File {
            path,
            id: file,
            writes,
            reads: flags.contains(OpenFlags::READ),
            append: flags.contains(OpenFlags::APPEND),
            sent: 0,
        };
        self.hand_out(id, open)
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusReply> {
        self.heard().await?;
        let number = handle.parse().ok();
        let open = number.and_then(|number: u64| self.handles.remove(&number));
        let Some(open) = open else {
            return Err(StatusCode::Failure.with_message("no such handle"));
        };
        let peer = self.client.peer;
        if let Open::File {
            path,
            id: file,
            writes,
            sent,
            ..
        } = open
        {
            self.client.report(if writes {
                let stat = self.client.tree().stat_file(file);
                // Removed meanwhile: nothing of it is left.
                let bytes = stat.map_or(0, |stat| stat.bytes);
                ServeEvent::Wrote { peer, path, bytes }
            } else {
                let bytes = sent;
                ServeEvent::Read { peer, path, bytes }
            });
        }
        Ok(done(id))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, StatusReply> {
        self.heard().await?;
        let client = Arc::clone(&self.client);
        match self.opened(&handle)? {
            Open::File {
                id: file,
                reads: true,
                sent,
                ..
            } => {
                let count = len.min(READ_BYTES) as usize;
                let data = client.tree().read_at(*file, offset, count)?.to_vec();
                if data.is_empty() && len > 0 {
                    return Err(StatusCode::Eof.into());
                }
                *sent = sent.saturating_add(data.len() as u64);
                self.carry(data.len()).map_err(|(_, cut)| cut)?;
                Ok(Data { id, data })
            }
            Open::File { .. } => Err(StatusCode::PermissionDenied.into()),
            Open::Directory { .. } => Err(TreeFault::IsDirectory.into()),
        }
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, StatusReply> {
        self.may_change().await?;
        let (file, offset) = match self.opened(&handle)? {
            Open::File {
                id: file,
                writes: true,
                append,
                ..
            } => (*file, (!*append).then_some(offset)),
            Open::File { .. } => return Err(StatusCode::PermissionDenied.into()),
            Open::Directory { .. } => return Err(TreeFault::IsDirectory.into()),
        };
        let offset = match offset {
            Some(offset) => offset,
            None => self.client.tree().stat_file(file)?.bytes,
        };
        self.write_at(file, offset, &data)?;
        Ok(done(id))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusReply> {
        self.heard().await?;
        let attrs = self.attributes_at(&path)?;
        Ok(Attrs { id, attrs })
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusReply> {
        // There are no links.
        self.stat(id, path).await
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusReply> {
        self.heard().await?;
        let client = Arc::clone(&self.client);
        let stat = match self.opened(&handle)? {
            Open::Directory { path, .. } => client.tree().stat(path)?,
            Open::File { id: file, .. } => client.tree().stat_file(*file)?,
        };
        let attrs = attributes(stat);
        Ok(Attrs { id, attrs })
    }

    async fn setstat(
        &mut self,
        id: u32,
        path: String,
        attributes: FileAttributes,
    ) -> Result<Status, StatusReply> {
        self.may_change().await?;
        // Clients set modes and times after a put; the tree has none of its own to set.
        self.attributes_at(&path)?;
        if let Some(length) = attributes.size {
            let path = TreePath::parse(&path)?;
            let mut tree = self.client.tree();
            let file = tree.open(&path, Opening::default(), now())?;
            tree.set_length(file, length, now())?;
        }
        Ok(done(id))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attributes: FileAttributes,
    ) -> Result<Status, StatusReply> {
        self.may_change().await?;
        let client = Arc::clone(&self.client);
        match (self.opened(&handle)?, attributes.size) {
            (_, None) => {}
            // OpenSSH's scp writes over a file without emptying it, and cuts it off in the end.
            (
                Open::File {
                    id: file,
                    writes: true,
                    ..
                },
                Some(length),
            ) => client.tree().set_length(*file, length, now())?,
            (Open::File { .. }, Some(_)) => return Err(StatusCode::PermissionDenied.into()),
            (Open::Directory { .. }, Some(_)) => return Err(TreeFault::IsDirectory.into()),
        }
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusReply> {
        self.heard().await?;
        let path = self.place(&path)?;
        if !self.client.tree().stat(&path)?.directory {
            return Err(TreeFault::NotDirectory.into());
        }
        self.hand_out(id, Open::Directory { path, told: None })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusReply> {
        self.heard().await?;
        let client = Arc::clone(&self.client);
        let Open::Directory { path, told } = self.opened(&handle)? else {
            return Err(TreeFault::NotDirectory.into());
        };
        let listed = client.tree().list_after(path, told.as_deref(), LISTED)?;
        let Some((last, _)) = listed.last() else {
            let (peer, path) = (client.peer, path.clone());
            client.report(ServeEvent::Listed { peer, path });
            return Err(StatusCode::Eof.into());
        };
        *told = Some(last.clone());
        let file = |(name, stat)| File::new(name, attributes(stat));
        let files = listed.into_iter().map(file).collect();
        Ok(Name { id, files })
    }

    async fn remove(&mut self, id: u32, filename: String) -> Result<Status, StatusReply> {
        self.may_change().await?;
        let path = self.place(&filename)?;
        self.client.tree().remove(&path)?;
        let peer = self.client.peer;
        self.client.report(ServeEvent::Removed { peer, path });
        Ok(done(id))
    }

    async fn mkdir(
        &mut self,
        id: u32,
        path: String,
        _: FileAttributes,
    ) -> Result<Status, StatusReply> {
        self.may_change().await?;
        let path = self.place(&path)?;
        self.client.tree().make_directory(&path, now())?;
        Ok(done(id))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, StatusReply> {
        self.may_change().await?;
        let path = self.place(&path)?;
        self.client.tree().remove_directory(&path)?;
        Ok(done(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusReply> {
        self.heard().await?;
        let path = TreePath::parse(&path)?;
        let files = vec![File::dummy(path.to_string())];
        Ok(Name { id, files })
    }

    async fn rename(
        &mut self,
        id: u32,
        oldpath: String,
        newpath: String,
    ) -> Result<Status, StatusReply> {
        self.may_change().await?;
        let (from, to) = (self.place(&oldpath)?, self.place(&newpath)?);
        self.client.tree().rename(&from, &to)?;
        let peer = self.client.peer;
        self.client.report(ServeEvent::Renamed { peer, from, to });
        Ok(done(id))
    }

    async fn extended(
        &mut self,
        id: u32,
        request: String,
        _: Vec<u8>,
    ) -> Result<Packet, StatusReply> {
        self.heard().await?;
        if request != "statvfs@openssh.com" {
            return Err(self.unimplemented());
        }
        // There is one file system, whatever the path.
        let read_only = self.client.faults().writes == Writes::ReadOnly;
        let tree = self.client.tree();
        let (all, free) = (tree.limits.total_bytes, tree.free());
        let entries = tree.limits.entries as u64;
        let free_entries = tree.free_entries() as u64;
        drop(tree);
        let flags = if read_only { STATVFS_READ_ONLY } else { 0 };
        let answer = [
            BLOCK_BYTES,  // f_bsize
            BLOCK_BYTES,  // f_frsize
            all,          // f_blocks
            free,         // f_bfree
            free,         // f_bavail
            entries,      // f_files
            free_entries, // f_ffree
            free_entries, // f_favail
            0,            // f_fsid
            flags,        // f_flag
            255,          // f_namemax
        ];
        let data = answer
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .collect();
        Ok(ExtendedReply { id, data }.into())
    }
}

fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: StatusCode::Ok.to_string(),
        language_tag: "en-US".to_owned(),
    }
}

fn now() -> u32 {
    seconds(SystemTime::now())
}

fn attributes(stat: Stat) -> FileAttributes {
    // The file type of POSIX's st_mode, and permissions as a put by OpenSSH leaves them.
    let mode = if stat.directory { 0o040_755 } else { 0o100_600 };
    FileAttributes {
        size: Some(stat.bytes),
        permissions: Some(mode),
        atime: Some(stat.modified),
        mtime: Some(stat.modified),
        ..FileAttributes::empty()
    }
}
