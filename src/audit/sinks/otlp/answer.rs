//! What a collector's answer says of the batch: `ExportLogsServiceResponse`
//! (opentelemetry-proto, `collector/logs/v1/logs_service.proto`).
//!
//! A status of success is not enough: a collector may take a part and say so in the body. What
//! cannot be read is no proof that anything was taken.

use serde_json::Value;

/// Whether all records were taken.
///
/// # Errors
/// Some were rejected, or the answer does not say.
pub(super) fn judge(body: &[u8]) -> Result<(), &'static str> {
    const UNREADABLE: &str = "its answer is not one of OTLP";
    // An empty answer is an empty message: nothing was rejected.
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    let Ok(Value::Object(answer)) = serde_json::from_slice(body) else {
        return Err(UNREADABLE);
    };
    let rejected = match answer.get("partialSuccess") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(partial)) => partial.get("rejectedLogRecords"),
        Some(_) => return Err(UNREADABLE),
    };
    // An int64: a string in the JSON mapping of protobuf, which also admits a number. With none
    // rejected it is a warning, which is for the collector's operator.
    let rejected = match rejected {
        None | Some(Value::Null) => Some(0),
        Some(Value::String(text)) => text.parse::<i64>().ok(),
        Some(number) => number.as_i64(),
    };
    match rejected {
        Some(0) => Ok(()),
        Some(_) => Err("it rejected a part of the records"),
        None => Err(UNREADABLE),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_an_answer_without_rejections_keeps_a_batch() {
        for kept in [
            "",
            "{}",
            r#"{"partialSuccess":{}}"#,
            r#"{"partialSuccess":null}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"slow down"}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":0}}"#,
        ] {
            assert_eq!(judge(kept.as_bytes()), Ok(()), "{kept}");
        }
        for lost in [
            r#"{"partialSuccess":{"rejectedLogRecords":"1"}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":1}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":-1}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":"many"}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":1.5}}"#,
            r#"{"partialSuccess":true}"#,
            "[]",
            "<html>log in first</html>",
        ] {
            assert!(judge(lost.as_bytes()).is_err(), "{lost}");
        }
    }

    proptest! {
        #[test]
        fn a_rejection_is_seen_whatever_else_is_said(count in 1_i64.., message in any::<String>()) {
            let answer = serde_json::json!({
                "partialSuccess": {
                    "errorMessage": message,
                    "rejectedLogRecords": count.to_string(),
                },
            });
            prop_assert!(judge(answer.to_string().as_bytes()).is_err());
        }
    }
}
