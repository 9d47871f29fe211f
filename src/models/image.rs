//! An image that a model is shown: its bytes in base64 with their kind, or the address of one.
//!
//! Kinds are those that every vendor with eyes takes. Nothing here reads a file or asks a server;
//! an address is handed to the vendor, which fetches it, and a file's bytes come from the workspace.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::outbound::{is_loopback, is_private};

/// The most bytes of one image, as they are: what the strictest of the vendors takes inline is 5 MB
/// (platform.claude.com/docs/en/build-with-claude/vision).
pub const MAX_IMAGE_BYTES: usize = 5 * 1024 * 1024;

/// An image.
#[derive(Clone, PartialEq, Eq)]
pub enum Image {
    /// Its bytes.
    Inline {
        /// Of which kind they are.
        kind: ImageKind,
        /// In base64, standard alphabet, padded.
        base64: String,
    },
    /// An `https` address.
    Address(String),
}

/// A kind of image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    WebP,
}

/// Why a text is no image. `Display` is for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoImage {
    /// Neither a data URL nor an address.
    #[error("write an image as a path, as `data:image/png;base64,…` or as an `https://…` address")]
    Form,
    /// A kind that not all vendors take.
    #[error("images are PNG, JPEG, GIF or WebP by their bytes, and a type that is stated is that")]
    Kind,
    /// Not base64.
    #[error("the image's base64 is broken")]
    Base64,
    /// Too large.
    #[error("an image has at most 5 MiB")]
    TooLarge,
}

impl ImageKind {
    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
        }
    }

    /// Its short name.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::WebP => "webp",
        }
    }

    /// By a file's first bytes.
    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Self::WebP),
            _ => None,
        }
    }
}

impl Image {
    /// As a URL: the address, or a data URL (RFC 2397).
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Self::Inline { kind, base64 } => {
                format!("data:{};base64,{base64}", kind.media_type())
            }
            Self::Address(url) => url.clone(),
        }
    }

    /// Whether `text` is the path of a file: neither a data URL nor an address of any kind.
    #[must_use]
    pub fn is_path(text: &str) -> bool {
        let is_url = text.starts_with("data:") || text.contains("://");
        !is_url && !text.is_empty()
    }

    /// The image that a file's bytes are.
    ///
    /// # Errors
    /// See [`NoImage`].
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, NoImage> {
        if bytes.len() > MAX_IMAGE_BYTES {
            return Err(NoImage::TooLarge);
        }
        let kind = ImageKind::of(bytes).ok_or(NoImage::Kind)?;
        Ok(Self::Inline {
            kind,
            base64: STANDARD.encode(bytes),
        })
    }

    /// Reads a data URL (RFC 2397) or an `https` address.
    ///
    /// # Errors
    /// See [`NoImage`].
    pub fn parse(text: &str) -> Result<Self, NoImage> {
        if text.starts_with("https://") {
            let url = reqwest::Url::parse(text).map_err(|_| NoImage::Form)?;
            // Whoever fetches it may be nearer to such a host than the caller is.
            let is_far = !is_loopback(&url) && !is_private(&url);
            let has_user = !url.username().is_empty() || url.password().is_some();
            let is_plain = url.has_host() && is_far && !has_user;
            return is_plain
                .then(|| Self::Address(url.into()))
                .ok_or(NoImage::Form);
        }
        let (head, base64) = text
            .strip_prefix("data:")
            .and_then(|rest| rest.split_once(','))
            .ok_or(NoImage::Form)?;
        let (media_type, is_base64) = match head.split_once(';') {
            Some((media_type, parameters)) => {
                (media_type, parameters.eq_ignore_ascii_case("base64"))
            }
            None => (head, false),
        };
        if !is_base64 {
            return Err(NoImage::Form);
        }
        if base64.len() > MAX_IMAGE_BYTES.div_ceil(3) * 4 {
            return Err(NoImage::TooLarge);
        }
        let bytes = STANDARD.decode(base64).map_err(|_| NoImage::Base64)?;
        let kind = ImageKind::of(&bytes).ok_or(NoImage::Kind)?;
        if !kind.media_type().eq_ignore_ascii_case(media_type) {
            return Err(NoImage::Kind);
        }
        Ok(Self::Inline {
            kind,
            base64: base64.to_owned(),
        })
    }
}

// By hand: megabytes of base64 are of no use to anybody.
impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline { kind, base64 } => write!(f, "{} of {} B", kind.label(), base64.len()),
            Self::Address(_) => f.write_str("an address"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

    #[test]
    fn a_data_url_is_read_by_its_bytes_and_an_address_is_kept() {
        let read = Image::parse(PNG).unwrap();
        assert!(
            matches!(&read, Image::Inline { kind: ImageKind::Png, base64 } if base64 == "iVBORw0KGgo=")
        );
        assert_eq!(
            Image::parse("https://site.example/a.png").unwrap(),
            Image::Address("https://site.example/a.png".to_owned())
        );
        for (text, why) in [
            ("", NoImage::Form),
            ("/etc/passwd", NoImage::Form),
            ("file:///etc/passwd", NoImage::Form),
            ("http://site.example/a.png", NoImage::Form),
            ("https://169.254.169.254/latest/", NoImage::Form),
            ("https://localhost/a.png", NoImage::Form),
            ("https://[::1]/a.png", NoImage::Form),
            ("https://intranet/a.png", NoImage::Form),
            ("https://u:p@site.example/a.png", NoImage::Form),
            ("data:image/png,abc", NoImage::Form),
            ("data:image/png;base64,?", NoImage::Base64),
            ("data:image/svg+xml;base64,PHN2Zz4=", NoImage::Kind),
            ("data:image/jpeg;base64,iVBORw0KGgo=", NoImage::Kind),
            ("data:image/png;base64,cm9vdDp4OjA=", NoImage::Kind),
        ] {
            assert_eq!(Image::parse(text), Err(why), "{text}");
        }
        let large = format!(
            "data:image/png;base64,{}",
            "A".repeat(MAX_IMAGE_BYTES * 4 / 3 + 8)
        );
        assert_eq!(Image::parse(&large), Err(NoImage::TooLarge));
        assert!(!format!("{read:?}").contains("iVBOR"));
    }
}
