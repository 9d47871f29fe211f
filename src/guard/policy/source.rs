//! From the text of a condition to its expression, whatever the text.
//!
//! The parser is recursive and not ours: what would lead it deep is refused before it begins, and
//! it runs only on threads whose stack is large enough for what is left (see [`STACK`]). Messages
//! give a place in the text and never the text itself, which may hold a pasted key.

use std::fmt;

use cel::{Env, common::ast::SourceInfo, parser::Expression};

/// The longest condition, in bytes.
pub(super) const MAX_SOURCE: usize = 8 * 1024;

/// How deep brackets may stand within one another, and how many operators of one operand, or
/// steps of a path, may follow one another.
const MAX_NESTING: usize = 32;

/// The stack, in bytes, of a thread that parses. A chain of 4,000 operators, the longest that
/// [`MAX_SOURCE`] has room for, takes half of it without optimisation.
pub(super) const STACK: usize = 64 * 1024 * 1024;

/// What is wrong with a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Line and column, both from 1, in characters.
    pub(super) place: Option<(usize, usize)>,
    pub(super) message: String,
    pub(super) help: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl Fault {
    pub(super) fn new(
        place: Option<(usize, usize)>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            place,
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Parses `source`. To be called on a thread with a stack of [`STACK`] bytes.
pub(super) fn parse(env: &Env, source: &str) -> Result<(Expression, SourceInfo), Fault> {
    scan(source)?;
    env.parser()
        .parse_with_source_info(source)
        .map_err(|errors| {
            let first = errors.errors.into_iter().next();
            let place = first.and_then(|error| {
                let place = (usize::try_from(error.pos.0), usize::try_from(error.pos.1));
                let (Ok(line), Ok(column)) = place else {
                    return None;
                };
                (line >= 1 && line <= source.lines().count() && column >= 1)
                    .then_some((line, column))
            });
            Fault::new(
                place,
                "this is not CEL",
                "a condition is one CEL expression, such as `args.prompt.contains('x')`",
            )
        })
}

/// Line and column of the byte `offset` of `source`.
pub(super) fn place(source: &str, offset: u32) -> Option<(usize, usize)> {
    let before = source.get(..usize::try_from(offset).ok()?)?;
    let line = before.rsplit('\n').next().unwrap_or(before);
    Some((before.matches('\n').count() + 1, line.chars().count() + 1))
}

/// Refuses what would lead the parser too deep.
fn scan(source: &str) -> Result<(), Fault> {
    if source.len() > MAX_SOURCE {
        return Err(Fault::new(
            None,
            format!("the condition is longer than {MAX_SOURCE} bytes"),
            "write several rules: one that denies is enough",
        ));
    }
    let (mut brackets, mut signs, mut steps) = (0_usize, 0_usize, 0_usize);
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let offset = source.len() - rest.len();
        if let Some(after) = skip_quoted(rest) {
            rest = after;
            (signs, steps) = (0, 0);
            continue;
        }
        rest = rest.get(next.len_utf8()..).unwrap_or_default();
        match next {
            '(' | '[' | '{' => brackets += 1,
            ')' | ']' | '}' => brackets = brackets.saturating_sub(1),
            '!' | '-' => signs += 1,
            '.' => steps += 1,
            _ => {}
        }
        if !matches!(next, '!' | '-') && !next.is_whitespace() {
            signs = 0;
        }
        let continues_path =
            matches!(next, '.' | '_' | '(' | ')' | '[' | ']') || next.is_alphanumeric();
        if !continues_path && !next.is_whitespace() {
            steps = 0;
        }
        if brackets.max(signs).max(steps) > MAX_NESTING {
            return Err(Fault::new(
                u32::try_from(offset)
                    .ok()
                    .and_then(|offset| place(source, offset)),
                "the condition is nested too deeply",
                format!("at most {MAX_NESTING} brackets, signs or steps within one another"),
            ));
        }
    }
    Ok(())
}

/// What follows the string or the comment that `rest` begins with, if it does.
fn skip_quoted(rest: &str) -> Option<&str> {
    if rest.starts_with("//") {
        return Some(
            rest.find('\n')
                .and_then(|end| rest.get(end..))
                .unwrap_or_default(),
        );
    }
    // At most two letters before the quote: `r`, `b` or both.
    let letters = rest
        .bytes()
        .take(2)
        .take_while(|byte| b"rRbB".contains(byte))
        .count();
    let (prefix, body) = rest.split_at_checked(letters)?;
    let is_raw = prefix.contains(['r', 'R']);
    let quote = ["'''", "\"\"\"", "'", "\""]
        .into_iter()
        .find(|quote| body.starts_with(quote))?;
    let mut inner = body.get(quote.len()..)?;
    while let Some(next) = inner.chars().next() {
        if let Some(after) = inner.strip_prefix(quote) {
            return Some(after);
        }
        let escaped = if next == '\\' && !is_raw {
            inner.chars().nth(1)
        } else {
            None
        };
        inner = inner.get(next.len_utf8() + escaped.map_or(0, char::len_utf8)..)?;
    }
    Some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of `source` on a thread as the policy uses.
    fn parsed(source: &str) -> Result<(), Fault> {
        let source = source.to_owned();
        let parser = std::thread::Builder::new().stack_size(STACK);
        let thread = parser.spawn(move || parse(&Env::stdlib(), &source).map(drop));
        thread.unwrap().join().unwrap()
    }

    #[test]
    fn hostile_text_is_refused_without_overflow() {
        let many = |text: &str| text.repeat(MAX_SOURCE / text.len());
        for refused in [
            many("("),
            many("["),
            many("{1:"),
            many("!"),
            many("-"),
            many("- "),
            many("!\n"),
            format!("a{}", many(".a").get(2..).unwrap()),
            format!("a{}", many(" . a").get(4..).unwrap()),
            format!("a{}", ".f()".repeat(2000)),
            "a.map(x,".repeat(900),
            "has(".repeat(2000),
            many("'"),
            many("\\"),
            many("a?b:"),
            "x".repeat(MAX_SOURCE + 1),
            String::new(),
        ] {
            assert!(parsed(&refused).is_err(), "{:.20}", refused);
        }
    }

    #[test]
    fn the_longest_chains_that_are_not_scanned_for_fit_the_stack() {
        for chain in [
            "1+", "1<", "1-", "a||", "a in ", "a[0] in ", "a ? b : ", "1 %",
        ] {
            let source = chain.repeat(MAX_SOURCE / chain.len() - 1) + "1";
            drop(parsed(&source));
        }
    }

    #[test]
    fn brackets_and_signs_within_strings_and_comments_do_not_count() {
        let open = "(".repeat(100);
        for fine in [
            format!("'{open}' == \"{open}\""),
            format!("r'{open}\\' == 'x' // {open}"),
            format!("b'{open}' == b'' // {open}\n || true"),
            format!("'''{open}''' == \"\"\"{open}\"\"\""),
            format!("'\\'{open}' == ''"),
        ] {
            assert_eq!(parsed(&fine), Ok(()), "{fine}");
        }
    }

    #[test]
    fn brackets_and_signs_behind_strings_and_comments_count() {
        let open = "(".repeat(100);
        for before in [
            "'' == ",
            "'a' == ",
            "'ab' == ",
            r"'\'' == ",
            r"'\\' == ",
            r"r'\' == ",
            "'''a''b''' == ",
            "'' == // '\n",
        ] {
            let fault = parsed(&format!("{before}{open}")).unwrap_err();
            assert!(fault.message.contains("nested too deeply"), "{before}");
        }
    }

    #[test]
    fn signs_and_steps_count_with_space_between_them_too() {
        for (link, end) in [("!", "true"), ("- ", "1"), ("a .", "b"), ("a.\n", "b")] {
            let fine = link.repeat(MAX_NESTING) + end;
            assert_eq!(parsed(&fine), Ok(()), "{fine}");
            let fault = parsed(&(link.repeat(MAX_NESTING + 1) + end)).unwrap_err();
            assert!(fault.message.contains("nested too deeply"), "{fault:?}");
        }
        let apart = "-1 == !true.a || ".repeat(MAX_NESTING + 1) + "true";
        assert_eq!(parsed(&apart), Ok(()));
    }

    #[test]
    fn a_fault_at_the_end_of_the_text_has_no_place_beyond_it() {
        for (source, place) in [("", None), ("true &&", Some((1, 8))), ("true &&\n", None)] {
            assert_eq!(parsed(source).unwrap_err().place, place, "{source:?}");
        }
    }

    #[test]
    fn a_fault_has_a_place_and_does_not_repeat_the_text() {
        let fault = parsed("true &&\n  sk-live-1 2").unwrap_err();
        assert_eq!(fault.place, Some((2, 13)));
        assert!(!format!("{fault:?}").contains("live"), "{fault:?}");
        assert_eq!(parsed(&"(".repeat(40)).unwrap_err().place, Some((1, 33)));
        assert_eq!(place("'é' &&\n é.x", 11), Some((2, 3)));
        assert_eq!(place("é", 1), None);
    }
}
