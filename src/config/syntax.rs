//! What is wrong with a text that is not YAML, in our own words.
//!
//! The parser's messages are not passed on, only its kinds: a kind can hold no value.

use serde_saphyr::granit_parser::ErrorKind;

use super::report::Finding;

/// A finding for a parser's error at the character `at`.
pub(super) fn explain(kind: &ErrorKind, at: usize) -> Finding {
    use ErrorKind as K;
    let (message, help) = match kind {
        K::TabNotAllowed
        | K::TabInBlockIndentation
        | K::TabInIndentation
        | K::TabAtBlockScalarStart
        | K::TabInPlainScalar => (
            "a tab stands where YAML allows only spaces",
            "indent with spaces, two a level",
        ),
        K::UnclosedQuotedScalar
        | K::DocumentIndicatorInQuotedScalar
        | K::InvalidTrailingSingleQuotedScalar
        | K::InvalidTrailingDoubleQuotedScalar
        | K::InvalidQuotedScalarIndent => (
            "a quoted value does not end where it should",
            "close the quote on the same line, with nothing but a comment behind it",
        ),
        K::UnknownQuotedScalarEscape
        | K::InvalidQuotedScalarHexEscape
        | K::InvalidUnicodeEscape
        | K::InvalidLowSurrogateHexEscape
        | K::InvalidLowSurrogate
        | K::MissingLowSurrogate
        | K::UnpairedLowSurrogate => (
            "a `\\` in double quotes begins something that YAML does not know",
            "use single quotes, in which `\\` means itself",
        ),
        K::UnclosedFlowCollection { .. }
        | K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping
        | K::ExpectedFlowMappingSeparator
        | K::ExpectedFlowSequenceSeparator
        | K::MisplacedFlowCollectionEnd
        | K::MismatchedFlowCollectionEnd { .. } => (
            "brackets or braces do not match here",
            "close each `[` with `]` and each `{` with `}`, and put `,` between entries",
        ),
        K::RecursionLimitExceeded => (
            "maps and lists are nested too deep",
            "no setting needs this many levels",
        ),
        K::UnknownAnchor => (
            "an alias stands here, and aliases are not used in this file",
            "write the value out; a value that begins with `*` needs quotes",
        ),
        K::DirectiveDisallowed => (
            "lines that begin with `%` are not used in this file",
            "remove the line",
        ),
        K::MappingValueNotAllowed
        | K::InvalidColonPlacement
        | K::FlowMappingValueAdjacentCollection
        | K::InvalidMappingValueWhitespace => (
            "a `:` stands where no key can be",
            "put quotes around a value that contains `: `, and check the indentation",
        ),
        K::SimpleKeyExpected
        | K::InvalidSimpleKey
        | K::ExpectedBlockMappingKey
        | K::MappingKeyNotAllowed => (
            "a key was expected here",
            "write `key: value`, indented like the keys beside it",
        ),
        K::InvalidIndentation
        | K::ExpectedBlockSequenceEntry
        | K::BlockSequenceEntryNotAllowed
        | K::BlockEntryInFlowCollection
        | K::InvalidBlockEntryWhitespace
        | K::ZeroBlockScalarIndent
        | K::InvalidBlockScalarIndent
        | K::InvalidFlowScalarIndent => (
            "the indentation does not fit the lines before it",
            "indent with two spaces a level; keys of one map stand under one another",
        ),
        K::UnexpectedCharacter { .. } | K::ExpectedNodeContent => (
            "a character stands here that begins no value",
            "put quotes around a value that begins with punctuation",
        ),
        K::CommentInterceptedScalar | K::CommentNotSeparated => (
            "a comment interrupts a value",
            "put a space before `#`, or quotes around a value that contains it",
        ),
        _ => (
            "this is not YAML",
            "look at the place marked and the line before it for a missing quote, `:` or space",
        ),
    };
    Finding::at(at..at, message, help)
}
