//! Packs the encoding of OpenAI's models: `tiktoken-rs` carries it as 3.6 MB of base64, of which the
//! binary is to have half.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "tiktoken")]
    pack()?;
    Ok(())
}

/// Each token in the order of its rank, behind its length in one byte.
#[cfg(feature = "tiktoken")]
fn pack() -> Result<(), Box<dyn Error>> {
    let encoding = tiktoken_rs::o200k_base()?;
    let mut packed = Vec::new();
    for rank in 0.. {
        // The first rank that is no token's is behind the last.
        let Ok(token) = encoding.decode_bytes(&[rank]) else {
            break;
        };
        packed.push(u8::try_from(token.len())?);
        packed.extend(token);
    }
    let folder = std::env::var("OUT_DIR")?;
    std::fs::write(std::path::Path::new(&folder).join("o200k_base"), packed)?;
    Ok(())
}
