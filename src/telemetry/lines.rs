//! Lines of the log on their way out, each as a whole.
//!
//! Apart from the subscriber because of what it promises: a line is cleaned before any byte of it
//! is written, and written at once, so that lines of two threads do not mix. It must never log: a
//! line about a line would never end.

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::Arc,
};

use tracing_subscriber::fmt::MakeWriter;

/// What a line of the log passes before it is written.
pub trait LineFilter: Send + Sync {
    /// `line`, one event without the end of the line, without what must not stand in a log. It must
    /// not log.
    fn clean<'l>(&self, line: &'l str) -> Cow<'l, str>;
}

/// Makes writers for one line each, which `filter` cleans, if there is one.
pub(super) struct Lines<M> {
    pub(super) filter: Option<Arc<dyn LineFilter>>,
    pub(super) out: M,
}

impl<'a, M: MakeWriter<'a>> MakeWriter<'a> for Lines<M> {
    type Writer = Line<'a, M::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line {
            filter: self.filter.as_deref(),
            text: Vec::new(),
            out: self.out.make_writer(),
        }
    }
}

/// One line, which is written when it is dropped.
pub(super) struct Line<'a, W: Write> {
    filter: Option<&'a dyn LineFilter>,
    text: Vec<u8>,
    out: W,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(part);
        Ok(part.len())
    }

    /// Does nothing: half a line cannot be cleaned.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write> Drop for Line<'_, W> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut line = match self.filter {
            Some(filter) => filter.clean(line),
            None => Cow::Borrowed(line),
        };
        line.to_mut().push('\n');
        // stderr may be closed; there is nowhere else to say so.
        let _closed = self.out.write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    struct WithoutKeys;

    impl LineFilter for WithoutKeys {
        fn clean<'l>(&self, line: &'l str) -> Cow<'l, str> {
            assert!(!line.contains('\n'), "one line at a time");
            Cow::Owned(line.replace("sk-1234", "[redacted]"))
        }
    }

    /// Counts writes, since a line must come in one.
    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<String>>>);

    impl Write for Out {
        fn write(&mut self, part: &[u8]) -> io::Result<usize> {
            let text = String::from_utf8(part.to_vec()).unwrap();
            self.0.lock().unwrap().push(text);
            Ok(part.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(filter: Option<Arc<dyn LineFilter>>, out: &Out) -> Lines<impl Fn() -> Out + use<>> {
        let out = out.clone();
        Lines {
            filter,
            out: move || out.clone(),
        }
    }

    #[test]
    fn a_line_is_cleaned_as_a_whole_and_written_at_once() {
        let out = Out::default();
        let lines = lines(Some(Arc::new(WithoutKeys)), &out);
        let mut line = lines.make_writer();
        line.write_all(b"a key: sk-").unwrap();
        line.flush().unwrap();
        line.write_all(b"1234.\n").unwrap();
        assert!(out.0.lock().unwrap().is_empty());
        drop(line);
        assert_eq!(*out.0.lock().unwrap(), ["a key: [redacted].\n"]);
    }

    #[test]
    fn every_field_and_the_message_of_an_event_pass_the_filter() {
        let out = Out::default();
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .with_writer(lines(Some(Arc::new(WithoutKeys)), &out));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(header = "Bearer sk-1234", "with sk-1234");
            tracing::info!("second");
        });
        let written = out.0.lock().unwrap();
        assert_eq!(written.len(), 2);
        assert!(!written.concat().contains("sk-1234"), "{written:?}");
        assert_eq!(written[0].matches("[redacted]").count(), 2);
        assert!(written.iter().all(|line| line.ends_with("}\n")));
    }

    #[test]
    fn without_a_filter_lines_are_written_as_they_are() {
        let out = Out::default();
        let lines = lines(None, &out);
        lines.make_writer().write_all(b"sk-1234\n").unwrap();
        assert_eq!(*out.0.lock().unwrap(), ["sk-1234\n"]);
    }
}
