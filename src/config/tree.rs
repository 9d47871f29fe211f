//! The YAML file as a tree whose nodes know where they stand.
//!
//! Only the part of YAML that a configuration needs: maps with plain keys, lists, scalars. Anchors,
//! aliases, tags and merge keys are refused, so there is nothing that grows when it is read, and no
//! text of the file that means something other than what it says. It is the place for checks that
//! need positions (a key written twice); meaning is for `extract`.

use std::ops::Range;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::{mask::Token, report::Finding, syntax};

/// How deep maps and lists may be nested.
const MAX_DEPTH: usize = 24;

/// Names a node or a key within one tree.
pub(super) type Id = usize;

/// One value and its place.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) id: Id,
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

/// What a value is.
#[derive(Clone)]
pub(super) enum Kind {
    /// Text; `plain` if without quotes, so that it may be a number, `true` or nothing.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A map in the order of the file.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key_id: Id,
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) value: Node,
}

/// What came of reading a text.
pub(super) struct Parsed {
    /// The document; `None` if the file is empty or broken.
    pub(super) root: Option<Node>,
    /// What the form of the file is refused for.
    pub(super) findings: Vec<Finding>,
    /// Every scalar seen.
    pub(super) tokens: Vec<Token>,
    /// Whether the parser reached the end.
    pub(super) complete: bool,
}

impl Node {
    /// Whether the value is left out (`key:`) or written as null.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// Whether `null` is written in so many letters: somebody means that there is none. A value
    /// that is left out (for which a parser may give `~`) was rather forgotten.
    pub(super) fn says_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if text == "null")
    }

    /// The steps from here to `id`, and the place of what is there.
    pub(super) fn locate(&self, id: Id) -> Option<(Vec<String>, Range<usize>)> {
        if self.id == id {
            return Some((Vec::new(), self.span.clone()));
        }
        let below = |step: &str, node: &Self| {
            let (mut path, span) = node.locate(id)?;
            path.insert(0, step.to_owned());
            Some((path, span))
        };
        match &self.kind {
            Kind::Scalar { .. } => None,
            Kind::List(items) => items
                .iter()
                .enumerate()
                .find_map(|(i, item)| below(&i.to_string(), item)),
            Kind::Map(entries) => entries.iter().find_map(|entry| {
                if entry.key_id == id {
                    return Some((vec![entry.key.clone()], entry.key_span.clone()));
                }
                below(&entry.key, &entry.value)
            }),
        }
    }

    /// The place of the deepest key on `path` that the file has: a missing key is shown at the map
    /// it is missing from.
    pub(super) fn place(&self, path: &[String]) -> Option<Range<usize>> {
        let (step, rest) = path.split_first()?;
        match &self.kind {
            Kind::Scalar { .. } => None,
            Kind::List(items) => {
                let item = items.get(step.parse::<usize>().ok()?)?;
                item.place(rest).or_else(|| Some(item.span.clone()))
            }
            Kind::Map(entries) => {
                let entry = entries.iter().find(|entry| entry.key == *step)?;
                if rest.is_empty() && matches!(entry.value.kind, Kind::Scalar { .. }) {
                    let value = &entry.value;
                    let span = if value.is_null() {
                        &entry.key_span
                    } else {
                        &value.span
                    };
                    return Some(span.clone());
                }
                entry
                    .value
                    .place(rest)
                    .or_else(|| Some(entry.key_span.clone()))
            }
        }
    }

    /// Takes the key or value `id` out of the tree; answers the node it was taken from.
    pub(super) fn prune(&mut self, id: Id) -> Option<Id> {
        let here = self.id;
        match &mut self.kind {
            Kind::Scalar { .. } => None,
            Kind::List(items) => {
                if let Some(index) = items.iter().position(|item| item.id == id) {
                    items.remove(index);
                    return Some(here);
                }
                items.iter_mut().find_map(|item| item.prune(id))
            }
            Kind::Map(entries) => {
                let hit = |entry: &Entry| entry.key_id == id || entry.value.id == id;
                if let Some(index) = entries.iter().position(hit) {
                    entries.remove(index);
                    return Some(here);
                }
                entries.iter_mut().find_map(|entry| entry.value.prune(id))
            }
        }
    }

    /// Calls `visit` with the text of every scalar, keys included.
    pub(super) fn each_text<'a>(&'a self, visit: &mut dyn FnMut(&'a str)) {
        match &self.kind {
            Kind::Scalar { text, .. } => visit(text),
            Kind::List(items) => items.iter().for_each(|item| item.each_text(visit)),
            Kind::Map(entries) => {
                for entry in entries {
                    visit(&entry.key);
                    entry.value.each_text(visit);
                }
            }
        }
    }
}

/// Reads a text into a tree.
pub(super) fn parse(text: &str) -> Parsed {
    let options = options! {
        disallow_directives: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    let mut builder = Builder::default();
    let mut complete = true;
    for next in Parser::new_from_str_with_options(text, options) {
        match next {
            Ok((event, span)) => builder.take(event, range(&span)),
            Err(error) => {
                let at = error.marker().index();
                builder.findings.push(syntax::explain(error.kind(), at));
                complete = false;
                break;
            }
        }
    }
    let root = if complete { builder.root } else { None };
    Parsed {
        root,
        findings: builder.findings,
        tokens: builder.tokens,
        complete,
    }
}

fn range(span: &Span) -> Range<usize> {
    span.start.index()..span.end.index().max(span.start.index())
}

/// A map or list that is being read.
enum Open {
    List {
        id: Id,
        start: usize,
        items: Vec<Node>,
    },
    Map {
        id: Id,
        start: usize,
        entries: Vec<Entry>,
        key: Option<(Id, String, Range<usize>)>,
    },
}

#[derive(Default)]
struct Builder {
    next_id: Id,
    open: Vec<Open>,
    documents: usize,
    root: Option<Node>,
    findings: Vec<Finding>,
    tokens: Vec<Token>,
}

impl Builder {
    fn id(&mut self) -> Id {
        self.next_id += 1;
        self.next_id
    }

    fn refuse(&mut self, span: &Range<usize>, message: &str, help: &str) {
        self.findings.push(Finding::at(span.clone(), message, help));
    }

    fn take(&mut self, event: Event<'_>, span: Range<usize>) {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.refuse(
                        &span,
                        "a second YAML document begins here",
                        "a configuration is one document; remove the line `---`",
                    );
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(&span, anchor, tag.is_some());
                let key = self.expects_key();
                self.tokens.push(Token {
                    span: span.clone(),
                    key,
                });
                if key {
                    self.begin_entry(text.into_owned(), span);
                } else {
                    let plain = style == ScalarStyle::Plain;
                    let kind = Kind::Scalar {
                        text: text.into_owned(),
                        plain,
                    };
                    let id = self.id();
                    self.place(Node { id, span, kind });
                }
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_extras(&span, anchor, tag.is_some());
                self.refuse_complex_key(&span);
                let id = self.id();
                self.open.push(Open::List {
                    id,
                    start: span.start,
                    items: Vec::new(),
                });
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_extras(&span, anchor, tag.is_some());
                self.refuse_complex_key(&span);
                let id = self.id();
                let start = span.start;
                self.open.push(Open::Map {
                    id,
                    start,
                    entries: Vec::new(),
                    key: None,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span.end),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.refuse_extras(&span, 1, false);
                self.refuse_complex_key(&span);
                let id = self.id();
                let kind = Kind::Scalar {
                    text: String::new(),
                    plain: true,
                };
                self.place(Node { id, span, kind });
            }
            _ => {}
        }
    }

    fn refuse_extras(&mut self, span: &Range<usize>, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.refuse(
                span,
                "anchors and aliases are not used in this file",
                "write the value out in each place; a value that begins with `&` or `*` needs \
                 quotes",
            );
        }
        if tagged {
            self.refuse(
                span,
                "tags are not used in this file",
                "remove the word that begins with `!`; a value that begins with `!` needs quotes",
            );
        }
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Map { key: None, .. }))
    }

    /// A list, a map or an alias where a key belongs: keeps the tree in step with a nameless key.
    fn refuse_complex_key(&mut self, span: &Range<usize>) {
        if self.expects_key() {
            self.refuse(span, "a key is a single word", "write `key: value`");
            self.begin_entry(String::new(), span.clone());
            // The key's own node is swallowed as the value; what follows is out of step, and the
            // finding above already refuses the file.
        }
    }

    fn begin_entry(&mut self, text: String, span: Range<usize>) {
        let id = self.id();
        if let Some(Open::Map { key, .. }) = self.open.last_mut() {
            *key = Some((id, text, span));
        }
    }

    fn close(&mut self, end: usize) {
        let node = match self.open.pop() {
            Some(Open::List { id, start, items }) => Node {
                id,
                span: start..end.max(start),
                kind: Kind::List(items),
            },
            Some(Open::Map {
                id, start, entries, ..
            }) => Node {
                id,
                span: start..end.max(start),
                kind: Kind::Map(entries),
            },
            None => return,
        };
        self.place(node);
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node) {
        match self.open.last_mut() {
            None => {
                if self.root.is_none() {
                    self.root = Some(node);
                }
            }
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => {
                let Some((key_id, name, key_span)) = key.take() else {
                    return;
                };
                if entries.iter().any(|entry| entry.key == name) {
                    self.findings.push(Finding::duplicate(key_span, &name));
                } else {
                    entries.push(Entry {
                        key_id,
                        key: name,
                        key_span,
                        value: node,
                    });
                }
            }
        }
    }
}
