//! The files that a call names, on their way into its arguments.
//!
//! A tool says which of its arguments are files; they are read before the call is judged, and put
//! in place of their paths when it may run. So what was judged is what is sent, and it takes the
//! same way through redaction as what a client sends itself.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    models::{Image, MAX_IMAGE_BYTES, NoImage},
    workspace::{Room, Unreadable, Workspace},
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
    /// Its path below its root.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// SHA-256 of what is in it.
    pub digest: [u8; 32],
    argument: String,
    content: String,
}

/// The files of one call.
#[derive(Debug, Default)]
pub struct Files {
    files: Vec<PlannedFile>,
    _room: Option<Room>,
}

/// A file that a call cannot have. `Display` is for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("the file at `{argument}` {why}")]
    Unreadable {
        /// Which argument named it.
        argument: String,
        /// Why.
        why: Unreadable,
    },
    /// It is not what the argument is to be.
    #[error("the file at `{argument}` is no image: {why}")]
    NoImage {
        /// Which argument named it.
        argument: String,
        /// Why.
        why: NoImage,
    },
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
        let read = workspace.read(paths, MAX_IMAGE_BYTES as u64).await;
        let read = read.map_err(|refused| FileError::Unreadable {
            argument: wanted
                .get(refused.index)
                .map(|wanted| wanted.argument.clone())
                .unwrap_or_default(),
            why: refused.why,
        })?;
        let mut files = Vec::with_capacity(wanted.len());
        for (WantedFile { argument, .. }, file) in wanted.into_iter().zip(read.files) {
            let image = match Image::of_bytes(&file.bytes) {
                Ok(image) => image,
                Err(why) => return Err(FileError::NoImage { argument, why }),
            };
            files.push(PlannedFile {
                argument,
                size: file.bytes.len() as u64,
                digest: Sha256::digest(&file.bytes).into(),
                content: image.url(),
                path: file.path,
            });
        }
        Ok(Self {
            files,
            _room: Some(read.room),
        })
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &PlannedFile> {
        self.files.iter()
    }

    /// Puts them into `arguments`, where their paths are.
    pub(crate) fn put(&mut self, arguments: &mut Map<String, Value>) {
        let mut document = Value::Object(std::mem::take(arguments));
        for file in &mut self.files {
            if let Some(argument) = document.pointer_mut(&file.argument) {
                *argument = Value::String(std::mem::take(&mut file.content));
            }
        }
        if let Value::Object(put) = document {
            *arguments = put;
        }
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
