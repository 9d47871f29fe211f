//! Whatever is read, reading ends with settings or findings.

use proptest::prelude::*;

use super::{SHIPPED, examples, outputs};
use crate::config::{Overrides, parse};

fn survives(bytes: &[u8]) {
    if let Err(error) = parse(bytes, None, &Overrides::default()) {
        outputs(&error);
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
    }

    #[test]
    fn yaml_like_text_never_panics(text in "[a-z:{}\\[\\],\"'#&*!|>%@` \t\r\n?ä-]{0,200}") {
        survives(text.as_bytes());
    }

    #[test]
    fn mutated_configurations_never_panic(
        whole in any::<bool>(),
        places in proptest::collection::vec((any::<usize>(), 0..6_usize, "[ -~\n\tä]{0,6}"), 1..6),
    ) {
        let mut bytes = if whole { examples() } else { SHIPPED.to_owned() }.into_bytes();
        for (place, cut, text) in places {
            let start = place % (bytes.len() + 1);
            let end = (start + cut).min(bytes.len());
            bytes.splice(start..end, text.bytes());
        }
        survives(&bytes);
    }
}
