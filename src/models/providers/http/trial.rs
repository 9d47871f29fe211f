//! What the tests of every protocol ask of it: the body it writes, and how it reads a stream that is
//! cut anywhere.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

pub(in crate::models::providers) use super::answer::{Answer, Whole};
use super::{Asked, Reader, Wire, check, stream as reading};
use crate::{
    models::{
        CompletionRequest, ModelEntry, ModelErrorKind, ModelFacts, ModelProviderSettings,
        ModelsSettings, ProviderConfig, ProviderList, resolve,
    },
    secrets::KeyState,
};

/// A provider of this preset, with settings changed by `change`.
pub(in crate::models::providers) fn config(
    preset: &str,
    change: impl FnOnce(&mut ModelProviderSettings),
) -> ProviderConfig {
    let mut settings = ModelProviderSettings {
        preset: Some(preset.to_owned()),
        ..Default::default()
    };
    change(&mut settings);
    let settings = ModelsSettings {
        providers: ProviderList(vec![(preset.to_owned(), settings)]),
        ..Default::default()
    };
    resolve(&settings, |_| KeyState::None).unwrap().remove(0)
}

/// A model of which `yaml` states something.
pub(in crate::models::providers) fn model(yaml: &str) -> ModelFacts {
    let entry: ModelEntry = serde_saphyr::from_str(yaml).unwrap();
    ModelFacts::named(&entry.name).overridden(&entry)
}

/// The body of `request`, if the model takes it.
pub(in crate::models::providers) fn body(
    wire: &dyn Wire,
    config: &ProviderConfig,
    model: &ModelFacts,
    request: &CompletionRequest,
) -> Result<Value, ModelErrorKind> {
    check::check(request, model, config.is_near())?;
    let asked = Asked {
        request,
        model,
        config,
    };
    Ok(serde_json::from_slice(&wire.body(&asked)?).unwrap())
}

/// Reads a stream that comes in `pieces`, then an orderly end or a broken connection.
pub(in crate::models::providers) fn read(
    reader: Box<dyn Reader>,
    pieces: &[&[u8]],
    is_broken: bool,
) -> Result<Whole, ModelErrorKind> {
    read_as("text/event-stream", reader, pieces, is_broken)
}

/// The same of a media type.
pub(in crate::models::providers) fn read_as(
    media_type: &str,
    reader: Box<dyn Reader>,
    pieces: &[&[u8]],
    is_broken: bool,
) -> Result<Whole, ModelErrorKind> {
    let end = is_broken.then_some(Err(()));
    let pieces = pieces.iter().map(|piece| Ok(Bytes::copy_from_slice(piece)));
    let body: Vec<Result<Bytes, ()>> = pieces.chain(end).collect();
    let answer = Answer::new(reader, None, 100_000);
    let framing = reading::framing(media_type).unwrap();
    let read = reading::events(stream::iter(body), framing, answer, 100_000, false, |_| {});
    alone(read)
}

/// Reads a whole answer that came as one document.
pub(in crate::models::providers) fn document(
    reader: Box<dyn Reader>,
    json: &Value,
) -> Result<Whole, ModelErrorKind> {
    let body = [Ok::<_, Infallible>(Bytes::from(json.to_string()))];
    let answer = Answer::new(reader, None, 100_000);
    alone(reading::document(
        stream::iter(body),
        answer,
        100_000,
        |_| {},
    ))
}

fn alone<T>(read: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(read)
}

/// Cuts `recorded` at every byte: split there it reads the same; broken off there, or ended there
/// in good order, it is never taken for another answer than the whole.
#[track_caller]
pub(in crate::models::providers) fn cut_everywhere(wire: &dyn Wire, recorded: &str) -> Whole {
    cut_everywhere_as("text/event-stream", wire, recorded.as_bytes())
}

/// The same of a media type.
#[track_caller]
pub(in crate::models::providers) fn cut_everywhere_as(
    media_type: &str,
    wire: &dyn Wire,
    bytes: &[u8],
) -> Whole {
    let read = |pieces: &[&[u8]], is_broken| read_as(media_type, wire.reader(), pieces, is_broken);
    let whole = read(&[bytes], false).unwrap();
    for at in 0..bytes.len() {
        let (first, rest) = bytes.split_at(at);
        let split = read(&[first, rest], false).unwrap();
        assert_eq!(split, whole, "split at {at}");
        // The last byte is the blank line's, behind which nothing is waited for.
        let broken = read(&[first], true);
        assert!(broken.is_err(), "broken off at {at}: {broken:?}");
        if let Ok(ended) = read(&[first], false) {
            assert_eq!(ended.text, whole.text, "ended at {at}");
            assert_eq!(ended.finish_reason, whole.finish_reason, "ended at {at}");
        }
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(read(&single, false).unwrap(), whole);
    whole
}
