//! Google's Vertex AI: Gemini by generateContent and Claude by Messages, with an access token.
//!
//! Which of both a model is is told by its name. The token comes from the broker as it is.
//! Sources: docs.cloud.google.com/vertex-ai (hosts and paths), and
//! platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai.

use reqwest::Url;

use super::{
    anthropic::{self, MessageReader, Variant},
    gemini::{self, ContentReader, METHOD},
    http::{Asked, KeyHeader, Reader, Refused, Told, Wire, below},
};
use crate::models::{ModelErrorKind, ModelFacts, ProviderConfig};

/// Models of Google's and of others at Google.
pub(super) struct Vertex;

/// The host of a location (docs.cloud.google.com/vertex-ai/docs/general/locations).
pub(in crate::models) fn host(location: &str) -> String {
    match location {
        "global" => "aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("aiplatform.{location}.rep.googleapis.com"),
        _ => format!("{location}-aiplatform.googleapis.com"),
    }
}

fn is_claude(model: &str) -> bool {
    model.starts_with("claude-")
}

impl Wire for Vertex {
    fn url(&self, config: &ProviderConfig, model: &ModelFacts) -> Option<Url> {
        let is_step = |text: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '@');
            !text.is_empty() && text.chars().all(plain) && !text.starts_with('.')
        };
        let (project, location) = (config.project.as_deref()?, config.region.as_deref()?);
        let name = model.name.as_str();
        if ![project, location, name].into_iter().all(is_step) {
            return None;
        }
        let (publisher, method) = if is_claude(name) {
            ("anthropic", "streamRawPredict")
        } else {
            ("google", METHOD)
        };
        let place = format!("v1/projects/{project}/locations/{location}");
        below(
            &config.base_url,
            &format!("{place}/publishers/{publisher}/models/{name}:{method}"),
        )
    }

    fn key_header(&self, _: &ProviderConfig) -> KeyHeader {
        KeyHeader::Bearer
    }

    fn body(&self, asked: &Asked<'_>) -> Result<Vec<u8>, ModelErrorKind> {
        if is_claude(&asked.model.name) {
            anthropic::body(asked, Variant::Vertex)
        } else {
            gemini::body(asked)
        }
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::<EitherReader>::default()
    }

    fn refusal(&self, refused: &Refused<'_>) -> ModelErrorKind {
        let is_anthropics = refused
            .json()
            .is_some_and(|body| body["type"] == "error" && body["error"]["type"].is_string());
        if is_anthropics {
            anthropic::kind(refused)
        } else {
            gemini::kind(refused)
        }
    }
}

/// Reads an answer of either protocol: Anthropic's events have a name, Google's have none.
#[derive(Default)]
struct EitherReader {
    anthropic: MessageReader,
    google: ContentReader,
}

impl Reader for EitherReader {
    fn event(
        &mut self,
        name: &str,
        data: &str,
        told: &mut Vec<Told>,
    ) -> Result<(), ModelErrorKind> {
        if name.is_empty() {
            self.google.event(name, data, told)
        } else {
            self.anthropic.event(name, data, told)
        }
    }

    fn document(&mut self, json: &[u8], told: &mut Vec<Told>) -> Result<(), ModelErrorKind> {
        match self.google.document(json, told) {
            Err(ModelErrorKind::Malformed) => self.anthropic.document(json, told),
            read => read,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::models::{
        CompletionRequest, ModelError,
        providers::http::trial::{body, config, cut_everywhere, model},
    };

    fn at(location: &str) -> ProviderConfig {
        let mut config = config("openai", |_| {});
        config.base_url = format!("https://{}", host(location)).parse().unwrap();
        config.project = Some("team-a".to_owned());
        config.region = Some(location.to_owned());
        config
    }

    #[test]
    fn project_location_and_model_make_the_address_and_nothing_else_gets_in() {
        let url = |location: &str, name: &str| {
            Vertex
                .url(&at(location), &ModelFacts::named(name))
                .map(String::from)
        };
        assert_eq!(
            url("global", "gemini-3.8-flash").unwrap(),
            "https://aiplatform.googleapis.com/v1/projects/team-a/locations/global/publishers/\
             google/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
        );
        assert_eq!(
            url("europe-west4", "claude-haiku-4-5@20251001").unwrap(),
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/team-a/locations/\
             europe-west4/publishers/anthropic/models/claude-haiku-4-5@20251001:streamRawPredict"
        );
        assert!(
            url("eu", "m")
                .unwrap()
                .starts_with("https://aiplatform.eu.rep.googleapis.com/")
        );
        for wrong in ["../x", "a/b", "a?b", "a#b", "", ".."] {
            assert_eq!(url("global", wrong), None, "{wrong}");
        }
        let mut unsaid = at("global");
        unsaid.project = None;
        assert_eq!(Vertex.url(&unsaid, &ModelFacts::named("m")), None);
    }

    #[test]
    fn each_kind_of_model_is_asked_in_its_own_protocol() {
        let ask = |name: &str| {
            let request = CompletionRequest {
                model: name.to_owned(),
                prompt: "What of keys?".to_owned(),
                ..Default::default()
            };
            body(
                &Vertex,
                &at("global"),
                &model(&format!("{{ name: {name} }}")),
                &request,
            )
            .unwrap()
        };
        assert!(ask("gemini-3.8-flash")["contents"].is_array());
        let claude = ask("claude-opus-5-5");
        assert_eq!(claude["anthropic_version"], "vertex-2023-10-16");
        assert!(
            claude.get("model").is_none() && claude["stream"] == true,
            "{claude}"
        );
    }

    #[test]
    fn an_answer_and_an_error_of_either_protocol_is_read() {
        let gemini = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Welt\"}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1,\"trafficType\":\"ON_DEMAND\"}}\n\n";
        assert_eq!(cut_everywhere(&Vertex, gemini).text, "Welt");
        let claude = concat!(
            "event: vertex_event\ndata: {\"type\":\"vertex_event\"}\n\n",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Welt\"}}\n\n",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\n",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        );
        assert_eq!(cut_everywhere(&Vertex, claude).text, "Welt");
        let code = |status: u16, body: serde_json::Value| {
            let kind = Vertex.refusal(&Refused {
                status: reqwest::StatusCode::from_u16(status).unwrap(),
                headers: &reqwest::header::HeaderMap::new(),
                body: body.to_string().as_bytes(),
            });
            ModelError::new(kind).code()
        };
        let google =
            json!({ "error": { "code": 401, "status": "UNAUTHENTICATED", "message": "" } });
        assert_eq!(code(401, google), "bad_key");
        let anthropic = json!({ "type": "error", "error": { "type": "overloaded_error" } });
        assert_eq!(code(529, anthropic), "upstream_down");
    }
}
