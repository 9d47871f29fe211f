//! The files that a call names, on their way into its arguments.
//!
//! A tool says which of its arguments are files; they are read before the call is judged, and put
//! in place of their paths when it may run. So what was judged is what is sent, and it takes the
//! same way through redaction as what a client sends itself.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    models::{Image, MAX_IMAGE_BYTES, NoImage},
    workspace::{ReadFile, Room, Unreadable, UnreadableFile, Workspace},
};

/// An argument that is the path of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedFile {
    /// Where the argument is: a JSON pointer (RFC 6901).
    pub argument: String,
    /// What it says.
    pub path: String,
}

/// A file that was read.
#[derive(Debug)]
pub struct PlannedFile {
    /// Its root as configuration writes it, and its real path below.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of what is in it.
    pub digest: [u8; 32],
    content: String,
}

/// The files of one call.
#[derive(Debug, Default)]
pub struct Files {
    wanted: Vec<WantedFile>,
    files: Vec<PlannedFile>,
    _room: Option<Room>,
}

/// A file that a call cannot have. `Display` is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("file {} of this call {why}", .index + 1)]
    Unreadable {
        /// Its place among the files that the call names.
        index: usize,
        /// Why.
        why: Unreadable,
    },
    /// It is not what the argument is to be.
    #[error("file {} of this call is no image: {why}", .index + 1)]
    NoImage {
        /// Its place among the files that the call names.
        index: usize,
        /// Why.
        why: NoImage,
    },
}

impl From<UnreadableFile> for FileError {
    fn from(UnreadableFile { index, why }: UnreadableFile) -> Self {
        Self::Unreadable { index, why }
    }
}

/// What is made of a file.
fn planned(index: usize, file: ReadFile) -> Result<PlannedFile, FileError> {
    let image = Image::of_bytes(&file.bytes);
    let image = image.map_err(|why| FileError::NoImage { index, why })?;
    Ok(PlannedFile {
        size: file.bytes.len() as u64,
        digest: Sha256::digest(&file.bytes).into(),
        content: image.url(),
        path: file.path,
    })
}

impl Files {
    /// Reads what is `wanted` of `workspace`.
    ///
    /// # Errors
    /// The first file that cannot be had.
    pub(super) async fn read(
        wanted: Vec<WantedFile>,
        workspace: &Workspace,
    ) -> Result<Self, FileError> {
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let paths = wanted.iter().map(|wanted| wanted.path.clone()).collect();
        let read = workspace
            .read(paths, MAX_IMAGE_BYTES as u64, planned)
            .await?;
        Ok(Self {
            wanted,
            files: read.files,
            _room: Some(read.room),
        })
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &PlannedFile> {
        self.files.iter()
    }

    /// Puts them into `arguments`, where their paths are; gives back what these were.
    pub(crate) fn put(&mut self, arguments: &mut Map<String, Value>) -> Vec<WantedFile> {
        for (wanted, file) in self.wanted.iter().zip(&mut self.files) {
            replace(
                arguments,
                &wanted.argument,
                std::mem::take(&mut file.content),
            );
        }
        std::mem::take(&mut self.wanted)
    }
}

/// Puts the paths of files back into `arguments`.
pub(crate) fn put_back(paths: Vec<WantedFile>, arguments: &mut Map<String, Value>) {
    for WantedFile { argument, path } in paths {
        replace(arguments, &argument, path);
    }
}

fn replace(arguments: &mut Map<String, Value>, pointer: &str, text: String) {
    let mut document = Value::Object(std::mem::take(arguments));
    if let Some(argument) = document.pointer_mut(pointer) {
        *argument = Value::String(text);
    }
    if let Value::Object(put) = document {
        *arguments = put;
    }
}

impl FileError {
    /// A short, stable word for logs and metrics.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "file_unreadable",
            Self::NoImage { .. } => "no_image",
        }
    }
}
