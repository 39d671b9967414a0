//! The lab server's files, in memory.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use thiserror::Error;

use super::directory::is_plain;

/// Components of a path, as many as anybody needs.
const DEPTH: usize = 16;
/// Bytes of a path as a client sends it.
const PATH_BYTES: usize = 4096;

/// A place in a tree. It cannot lead out of it: `..` goes up as far as the root and no further.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreePath(Vec<String>);

impl TreePath {
    /// The root.
    pub const ROOT: Self = Self(Vec::new());

    /// A path as SFTP has it, `/` between components; a relative one begins at the root too.
    ///
    /// # Errors
    /// [`TreeFault::BadPath`] if it is too long or too deep, or a component is not a plain name.
    pub fn parse(text: &str) -> Result<Self, TreeFault> {
        if text.len() > PATH_BYTES {
            return Err(TreeFault::BadPath);
        }
        let mut path = Vec::new();
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => {
                    path.pop();
                }
                name if is_plain(name) && path.len() < DEPTH => path.push(name.to_owned()),
                _ => return Err(TreeFault::BadPath),
            }
        }
        Ok(Self(path))
    }

    /// The last component; nothing for the root.
    pub fn name(&self) -> Option<&str> {
        self.0.last().map(String::as_str)
    }

    fn parent(&self) -> Option<Self> {
        let (_, parent) = self.0.split_last()?;
        Some(Self(parent.to_vec()))
    }

    fn child(&self, name: &str) -> Self {
        let mut path = self.0.clone();
        path.push(name.to_owned());
        Self(path)
    }

    fn is_below(&self, above: &Self) -> bool {
        self.0.len() > above.0.len() && self.0.starts_with(&above.0)
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|name| write!(f, "/{name}"))
    }
}

/// How large a tree may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeLimits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files: the size of the disk.
    pub total_bytes: u64,
    /// Files and directories.
    pub entries: usize,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self {
            file_bytes: 4 * 1024 * 1024,
            total_bytes: 64 * 1024 * 1024,
            entries: 10_000,
        }
    }
}

/// Why a tree does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TreeFault {
    /// Not a path of a tree.
    #[error("not a path that is taken here")]
    BadPath,
    /// Nothing is there.
    #[error("no such file")]
    NoSuchFile,
    /// Something is there already.
    #[error("exists already")]
    Exists,
    /// A file is where a directory is needed.
    #[error("not a directory")]
    NotDirectory,
    /// A directory is where a file is needed.
    #[error("is a directory")]
    IsDirectory,
    /// A directory with something in it cannot go.
    #[error("directory not empty")]
    NotEmpty,
    /// The disk is full.
    #[error("no space left")]
    Full,
    /// The file would be too large.
    #[error("file too large")]
    TooLarge,
    /// There would be too many files.
    #[error("too many files")]
    TooMany,
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// A directory, else a file.
    pub directory: bool,
    /// Bytes; 0 for a directory.
    pub bytes: u64,
    /// Last change, in seconds since 1970.
    pub modified: u32,
}

/// A file's own number: it stays when the file is renamed, and is never given again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

#[derive(Debug)]
enum Node {
    Directory { modified: u32 },
    File(FileId),
}

#[derive(Debug, Default)]
struct File {
    bytes: Vec<u8>,
    modified: u32,
}

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening {
    /// Make it where it is missing.
    pub(super) create: bool,
    /// With `create`: fail where it is there.
    pub(super) exclusive: bool,
    /// Empty it.
    pub(super) truncate: bool,
}

/// Directories and files in memory, with limits.
#[derive(Debug)]
pub struct Tree {
    /// How large it may become. It may be changed while the server runs; a limit below what is
    /// there already only keeps it from growing.
    pub limits: TreeLimits,
    /// All but the root.
    nodes: BTreeMap<TreePath, Node>,
    files: BTreeMap<FileId, File>,
    bytes: u64,
    next: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new(TreeLimits::default())
    }
}

impl Tree {
    /// An empty tree.
    pub fn new(limits: TreeLimits) -> Self {
        Self {
            limits,
            nodes: BTreeMap::new(),
            files: BTreeMap::new(),
            bytes: 0,
            next: 0,
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that still fit.
    pub fn free(&self) -> u64 {
        self.limits.total_bytes.saturating_sub(self.bytes)
    }

    /// Files and directories that may still be made.
    pub fn free_entries(&self) -> usize {
        self.limits.entries.saturating_sub(self.nodes.len())
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// [`TreeFault::NoSuchFile`].
    pub fn stat(&self, path: &TreePath) -> Result<Stat, TreeFault> {
        let directory = |modified| Stat {
            directory: true,
            bytes: 0,
            modified,
        };
        if *path == TreePath::ROOT {
            return Ok(directory(0));
        }
        match self.nodes.get(path).ok_or(TreeFault::NoSuchFile)? {
            Node::Directory { modified } => Ok(directory(*modified)),
            Node::File(id) => self.stat_file(*id),
        }
    }

    pub(super) fn stat_file(&self, id: FileId) -> Result<Stat, TreeFault> {
        let file = self.files.get(&id).ok_or(TreeFault::NoSuchFile)?;
        Ok(Stat {
            directory: false,
            bytes: file.bytes.len() as u64,
            modified: file.modified,
        })
    }

    /// What a directory holds, by name.
    ///
    /// # Errors
    /// [`TreeFault::NoSuchFile`] or [`TreeFault::NotDirectory`].
    pub fn list(&self, path: &TreePath) -> Result<Vec<(String, Stat)>, TreeFault> {
        self.list_after(path, None, usize::MAX)
    }

    /// The next `count` entries after the name `after`.
    pub(super) fn list_after(
        &self,
        path: &TreePath,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<(String, Stat)>, TreeFault> {
        self.directory(path)?;
        let after = after.map_or_else(|| path.clone(), |name| path.child(name));
        let below = self.nodes.range((Bound::Excluded(after), Bound::Unbounded));
        below
            .map(|(at, _)| at)
            .take_while(|at| at.is_below(path))
            .filter(|at| at.0.len() == path.0.len() + 1)
            .filter_map(|at| Some((at.name()?.to_owned(), at)))
            .take(count)
            .map(|(name, at)| Ok((name, self.stat(at)?)))
            .collect()
    }

    /// A whole file.
    ///
    /// # Errors
    /// [`TreeFault::NoSuchFile`] or [`TreeFault::IsDirectory`].
    pub fn read(&self, path: &TreePath) -> Result<&[u8], TreeFault> {
        let id = self.file(path)?;
        self.read_at(id, 0, usize::MAX)
    }

    /// Writes a whole file, over what was there. The directory must exist.
    ///
    /// # Errors
    /// [`TreeFault`]; what fits is there.
    pub fn write(&mut self, path: &TreePath, bytes: &[u8], modified: u32) -> Result<(), TreeFault> {
        let opening = Opening {
            create: true,
            truncate: true,
            exclusive: false,
        };
        let id = self.open(path, opening, modified)?;
        self.write_at(id, 0, bytes, modified)
    }

    pub(super) fn open(
        &mut self,
        path: &TreePath,
        how: Opening,
        modified: u32,
    ) -> Result<FileId, TreeFault> {
        match self.file(path) {
            Ok(_) if how.create && how.exclusive => Err(TreeFault::Exists),
            Ok(id) => {
                if how.truncate
                    && let Some(file) = self.files.get_mut(&id)
                {
                    self.bytes -= file.bytes.len() as u64;
                    *file = File {
                        bytes: Vec::new(),
                        modified,
                    };
                }
                Ok(id)
            }
            Err(TreeFault::NoSuchFile) if how.create => {
                self.room_for_entry(path)?;
                let id = FileId(self.next);
                self.next += 1;
                let bytes = Vec::new();
                self.files.insert(id, File { bytes, modified });
                self.nodes.insert(path.clone(), Node::File(id));
                Ok(id)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Up to `count` bytes from `offset` on; none at the end.
    pub(super) fn read_at(
        &self,
        id: FileId,
        offset: u64,
        count: usize,
    ) -> Result<&[u8], TreeFault> {
        let file = self.files.get(&id).ok_or(TreeFault::NoSuchFile)?;
        let rest = usize::try_from(offset).ok();
        let rest = rest.and_then(|offset| file.bytes.get(offset..));
        let rest = rest.unwrap_or_default();
        Ok(&rest[..rest.len().min(count)])
    }

    /// Writes at `offset`, with zeros before it where the file is shorter. As on a disk, what fits
    /// is written before it says that the rest does not.
    pub(super) fn write_at(
        &mut self,
        id: FileId,
        offset: u64,
        data: &[u8],
        modified: u32,
    ) -> Result<(), TreeFault> {
        let free = self.free();
        let limit = self.limits.file_bytes;
        let file = self.files.get_mut(&id).ok_or(TreeFault::NoSuchFile)?;
        let length = file.bytes.len() as u64;
        let wanted = offset
            .checked_add(data.len() as u64)
            .filter(|end| *end <= limit)
            .ok_or(TreeFault::TooLarge)?;
        let end = wanted.min(length.saturating_add(free));
        // Nothing of it fits, not even the zeros before it.
        if end < offset {
            return Err(TreeFault::Full);
        }
        // Within the limit of a file, which memory holds.
        let (start, stop) = (offset as usize, end as usize);
        if end > length {
            file.bytes.resize(stop, 0);
            self.bytes += end - length;
        }
        file.bytes[start..stop].copy_from_slice(&data[..stop - start]);
        file.modified = modified;
        if end < wanted {
            return Err(TreeFault::Full);
        }
        Ok(())
    }

    /// Cuts a file off, or fills it up with zeros. Where that does not fit, nothing changes.
    pub(super) fn set_length(
        &mut self,
        id: FileId,
        length: u64,
        modified: u32,
    ) -> Result<(), TreeFault> {
        let free = self.free();
        let limit = self.limits.file_bytes;
        let file = self.files.get_mut(&id).ok_or(TreeFault::NoSuchFile)?;
        let before = file.bytes.len() as u64;
        if length > before {
            if length > limit {
                return Err(TreeFault::TooLarge);
            }
            if length - before > free {
                return Err(TreeFault::Full);
            }
        }
        // No longer than it is, or within the limit of a file: memory holds it.
        file.bytes.resize(length as usize, 0);
        file.modified = modified;
        self.bytes = self.bytes - before + length;
        Ok(())
    }

    /// Gives a file or a directory another name.
    pub(super) fn rename(&mut self, from: &TreePath, to: &TreePath) -> Result<(), TreeFault> {
        self.stat(from)?;
        if *from == TreePath::ROOT || to.is_below(from) {
            return Err(TreeFault::BadPath);
        }
        if self.stat(to).is_ok() {
            return Err(TreeFault::Exists);
        }
        self.parent_of(to)?;
        let moves: Vec<TreePath> = self
            .nodes
            .range(from..)
            .map(|(at, _)| at.clone())
            .take_while(|at| at == from || at.is_below(from))
            .collect();
        // What came to lie deeper could not be named any more, and so never be removed.
        let is_too_deep = |at: &TreePath| at.0.len() - from.0.len() + to.0.len() > DEPTH;
        if moves.iter().any(is_too_deep) {
            return Err(TreeFault::BadPath);
        }
        for old in moves {
            if let Some(node) = self.nodes.remove(&old) {
                let below = old.0.into_iter().skip(from.0.len());
                let new = to.0.iter().cloned().chain(below).collect();
                self.nodes.insert(TreePath(new), node);
            }
        }
        Ok(())
    }

    /// Removes a file. Who has it open finds it gone.
    ///
    /// # Errors
    /// [`TreeFault::NoSuchFile`] or [`TreeFault::IsDirectory`].
    pub fn remove(&mut self, path: &TreePath) -> Result<(), TreeFault> {
        let id = self.file(path)?;
        self.nodes.remove(path);
        if let Some(file) = self.files.remove(&id) {
            self.bytes -= file.bytes.len() as u64;
        }
        Ok(())
    }

    /// Makes a directory in one that exists.
    ///
    /// # Errors
    /// [`TreeFault`].
    pub fn make_directory(&mut self, path: &TreePath, modified: u32) -> Result<(), TreeFault> {
        if self.stat(path).is_ok() {
            return Err(TreeFault::Exists);
        }
        self.room_for_entry(path)?;
        self.nodes
            .insert(path.clone(), Node::Directory { modified });
        Ok(())
    }

    pub(super) fn remove_directory(&mut self, path: &TreePath) -> Result<(), TreeFault> {
        if *path == TreePath::ROOT {
            return Err(TreeFault::BadPath);
        }
        if !self.list_after(path, None, 1)?.is_empty() {
            return Err(TreeFault::NotEmpty);
        }
        self.nodes.remove(path);
        Ok(())
    }

    /// All files with their bytes, in the order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&TreePath, &[u8])> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File(id) => Some((path, self.files.get(id)?.bytes.as_slice())),
            Node::Directory { .. } => None,
        })
    }

    fn file(&self, path: &TreePath) -> Result<FileId, TreeFault> {
        if *path == TreePath::ROOT {
            return Err(TreeFault::IsDirectory);
        }
        match self.nodes.get(path) {
            Some(Node::File(id)) => Ok(*id),
            Some(Node::Directory { .. }) => Err(TreeFault::IsDirectory),
            None => Err(TreeFault::NoSuchFile),
        }
    }

    fn directory(&self, path: &TreePath) -> Result<(), TreeFault> {
        if self.stat(path)?.directory {
            return Ok(());
        }
        Err(TreeFault::NotDirectory)
    }

    fn parent_of(&self, path: &TreePath) -> Result<(), TreeFault> {
        let parent = path.parent().ok_or(TreeFault::IsDirectory)?;
        self.directory(&parent)
    }

    fn room_for_entry(&self, path: &TreePath) -> Result<(), TreeFault> {
        self.parent_of(path)?;
        if self.free_entries() == 0 {
            return Err(TreeFault::TooMany);
        }
        Ok(())
    }
}

/// Seconds since 1970, as SFTP has them.
pub(super) fn seconds(time: std::time::SystemTime) -> u32 {
    let since = time.duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
    })
}

#[cfg(test)]
mod tests;
