//! Counts tokens where no vendor does: before a prompt is sent that cannot fit, and where an answer
//! comes without a count. What a vendor counts always wins.
//!
//! For OpenAI's models the count is that of their published encoding, `o200k_base`
//! (github.com/openai/tiktoken), which newer models of theirs are taken to have as well; what a
//! vendor puts around messages is not in it. For others, and in a build without `tiktoken`, it is a
//! guess: a quarter of a token for each ASCII character and a whole one for each other.

use super::CompletionRequest;

/// Counts for one provider.
#[derive(Default)]
pub(super) struct Counter {
    #[cfg(feature = "tiktoken")]
    encoder: encoding::Encoder,
}

impl Counter {
    /// The tokens of `texts` for `model`, as well as we know.
    pub(super) async fn count(&self, model: &str, texts: Vec<String>) -> u64 {
        #[cfg(feature = "tiktoken")]
        if encoding::is_known_for(model) {
            return self.encoder.count(texts).await;
        }
        let _ = model;
        texts.iter().map(|text| guess(text)).sum()
    }
}

/// Whether the count for `model` is exact.
pub(super) fn is_exact(model: &str) -> bool {
    #[cfg(feature = "tiktoken")]
    return encoding::is_known_for(model);
    #[cfg(not(feature = "tiktoken"))]
    {
        let _ = model;
        false
    }
}

/// What the model reads of a request, images aside.
pub(super) fn texts(request: &CompletionRequest) -> Vec<String> {
    let system = request.system_prompt.iter();
    system.chain(Some(&request.prompt)).cloned().collect()
}

fn guess(text: &str) -> u64 {
    let ascii = text.bytes().filter(u8::is_ascii).count() as u64;
    let others = text.chars().filter(|c| !c.is_ascii()).count() as u64;
    ascii.div_ceil(4) + others
}

#[cfg(feature = "tiktoken")]
mod encoding {
    use std::{
        panic::catch_unwind,
        sync::{Arc, LazyLock},
    };

    use tiktoken_rs::{
        CoreBPE, O200K_BASE_PAT_STR,
        tokenizer::{Tokenizer, get_tokenizer},
    };
    use tokio::{sync::Semaphore, task::spawn_blocking};

    use super::guess;

    /// Calls whose texts are counted at the same time; others wait.
    const TURNS: usize = 2;

    /// Counts, a few at a time.
    pub(super) struct Encoder(Arc<Semaphore>);

    impl Default for Encoder {
        fn default() -> Self {
            Self(Arc::new(Semaphore::new(TURNS)))
        }
    }

    impl Encoder {
        /// The tokens of `texts`.
        pub(super) async fn count(&self, texts: Vec<String>) -> u64 {
            let turn = Arc::clone(&self.0).acquire_owned().await;
            // Off the runtime's threads: a megabyte takes a tenth of a second. The turn goes along,
            // so that who cancels leaves nothing behind that is not counted.
            let counting = spawn_blocking(move || {
                let _turn = turn;
                let exact = texts.iter().map(|text| count(text));
                let exact = exact.sum::<Option<u64>>();
                exact.unwrap_or_else(|| texts.iter().map(|text| guess(text)).sum())
            });
            counting.await.unwrap_or(0)
        }
    }

    /// `o200k_base`, of what `build.rs` packed of it; `None`, if that was broken.
    static O200K_BASE: LazyLock<Option<CoreBPE>> = LazyLock::new(|| {
        let mut packed = &include_bytes!(concat!(env!("OUT_DIR"), "/o200k_base"))[..];
        let tokens = std::iter::from_fn(move || {
            let (length, rest) = packed.split_first()?;
            let (token, behind) = rest.split_at_checked(usize::from(*length))?;
            packed = behind;
            Some(token.to_vec())
        });
        // Special tokens are not looked for in texts of others.
        let special = std::iter::empty().collect();
        CoreBPE::new(tokens.zip(0..).collect(), special, O200K_BASE_PAT_STR).ok()
    });

    /// How much is encoded at a time. A piece that has no end in it, such as a megabyte of one
    /// letter, costs more than in proportion to its length.
    const PIECE_BYTES: usize = 4 * 1024;

    pub(super) fn is_known_for(model: &str) -> bool {
        // OpenRouter's and Bedrock's names for the same models.
        let name = model.rsplit('/').next().unwrap_or(model);
        let name = name.strip_prefix("openai.").unwrap_or(name);
        match get_tokenizer(name) {
            Some(tokenizer) => {
                matches!(tokenizer, Tokenizer::O200kBase | Tokenizer::O200kHarmony)
            }
            None => name.starts_with("gpt-"),
        }
    }

    /// `None`, if the encoder gives up.
    pub(super) fn count(text: &str) -> Option<u64> {
        let encoding = O200K_BASE.as_ref()?;
        let mut rest = text;
        let mut tokens = 0;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(end_of_piece(rest));
            // The encoder's pattern has a limit of steps, and the encoder takes reaching it for a bug.
            let encode = || encoding.encode_ordinary(piece).len() as u64;
            tokens += catch_unwind(encode).ok()?;
            rest = behind;
        }
        Some(tokens)
    }

    /// Where the first piece of `text` ends: before a space if there is one, since no token goes on
    /// behind it.
    fn end_of_piece(text: &str) -> usize {
        if text.len() <= PIECE_BYTES {
            return text.len();
        }
        let most = text.floor_char_boundary(PIECE_BYTES);
        let space = text[..most].rfind(' ').filter(|at| *at > 0);
        space.unwrap_or(most)
    }

    #[cfg(test)]
    mod tests {
        use proptest::prelude::*;

        use super::*;

        #[test]
        fn what_is_of_openai_is_told_by_its_name() {
            for known in [
                "gpt-5",
                "gpt-4o-mini",
                "o3",
                "gpt-6.1-sol",
                "openai/gpt-5",
                "openai.gpt-oss-120b-1:0",
            ] {
                assert!(is_known_for(known), "{known}");
            }
            for other in [
                "claude-opus-5",
                "gemini-3-pro",
                "qwen3:32b",
                "gpt-3.5-turbo",
                "m",
            ] {
                assert!(!is_known_for(other), "{other}");
            }
        }

        /// Counts of `tiktoken` itself, by github.com/openai/openai-cookbook's table for
        /// `o200k_base`.
        #[test]
        fn a_count_is_that_of_the_published_encoding() {
            for (text, tokens) in [
                ("antidisestablishmentarianism", 6),
                ("2 + 2 = 4", 7),
                ("お誕生日おめでとう", 8),
            ] {
                assert_eq!(count(text), Some(tokens), "{text}");
            }
        }

        #[test]
        fn what_was_packed_is_the_published_encoding() {
            let published = tiktoken_rs::o200k_base_singleton();
            let packed = O200K_BASE.as_ref().unwrap();
            for rank in 0..200_000 {
                let [packed, published] =
                    [packed, published].map(|encoding| encoding.decode_bytes(&[rank]).ok());
                // The last two are special, or nothing.
                assert!(packed == published || rank >= 199_998, "{rank}");
            }
        }

        #[test]
        fn a_text_is_cut_where_no_token_is_and_hostile_ones_end() {
            let prose = "The key is fetched just in time. ".repeat(400);
            let whole = tiktoken_rs::o200k_base_singleton()
                .encode_ordinary(&prose)
                .len() as u64;
            assert_eq!(count(&prose), Some(whole));
            for letters in ["A", " ", "a", "\n", "é", "\u{300}", "'", "{"] {
                let long = letters.repeat(200_000 / letters.len());
                assert!(count(&long).is_some(), "{letters:?}");
            }
        }

        proptest! {
            #[test]
            fn no_text_is_refused(text in "\\PC{0,400}") {
                prop_assert!(count(&text).is_some_and(|tokens| tokens <= text.len() as u64));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_guess_goes_by_the_letters() {
        let counter = Counter::default();
        let of = |text: &str| counter.count("qwen3:32b", vec![text.to_owned()]);
        assert_eq!(of("").await, 0);
        assert_eq!(of("abcd").await, 1);
        assert_eq!(of("abcde").await, 2);
        assert_eq!(of("ключ").await, 4);
        assert!(!is_exact("qwen3:32b"));
    }
}
