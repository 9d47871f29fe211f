//! What is asked of a model and what it answers, the same for every wire protocol.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Fallback, Image, Price, ThinkingMode};

/// One question to one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CompletionRequest {
    /// The model's name as its provider knows it.
    pub model: String,
    /// The user's text.
    pub prompt: String,
    /// Instructions that come before it.
    pub system_prompt: Option<String>,
    /// What the user shows.
    pub images: Vec<Image>,
    /// Sampling temperature, 0 to 2; `None` leaves it to the vendor.
    pub temperature: Option<f64>,
    /// How long to think; `None` leaves it to the vendor.
    pub thinking: Option<ThinkingMode>,
    /// The most tokens the answer may have, thinking included; `None` leaves it to the vendor.
    pub max_output_tokens: Option<u32>,
    /// Texts at which the answer ends, which are not part of it.
    pub stop: Vec<String>,
    /// The JSON Schema that the answer must fit.
    pub json_schema: Option<Value>,
}

/// A model's whole answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completion {
    /// The answer's text.
    pub answer: String,
    /// The model that answered.
    pub model: String,
    /// The model provider's name in configuration.
    pub provider: String,
    /// Tokens, as the vendor told or by our own count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What they cost by list price, if both are known.
    #[serde(rename = "cost_usd", skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The key that was used, by name, provider and version. For operators.
    #[serde(skip)]
    pub key: Option<String>,
    /// The models that were asked as well and did not answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<Fallback>,
    /// Why it ended: `stop`, `length`, `content_filter`, `tool_calls` or `unknown`.
    pub finish_reason: &'static str,
}

/// Tokens of one call, as the vendor counted them or, where it told nothing, by our own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the prompt, those that were cached among them.
    pub input_tokens: u64,
    /// Tokens of the answer, those of the thinking before it among them.
    pub output_tokens: u64,
    /// Tokens of the prompt that the vendor had cached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    /// Tokens of the prompt that the vendor cached for later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Tokens of the thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Whether this is our own count: of texts alone, without images and thinking.
    #[serde(rename = "estimated", skip_serializing_if = "std::ops::Not::not")]
    pub is_estimate: bool,
}

/// An amount of money, in millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost(pub u64);

impl Cost {
    /// In US dollars.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "nine thousand million dollars are exact"
    )]
    pub fn usd(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

impl Serialize for Cost {
    /// In US dollars.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.usd())
    }
}

impl<'de> Deserialize<'de> for Cost {
    /// From US dollars.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounded before it is cut"
    )]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usd = f64::deserialize(deserializer)?;
        Ok(Self((usd * 1e6).round().clamp(0.0, 9e15) as u64))
    }
}

/// More tokens than any call can have: a vendor that counts more is not believed.
const MAX_TOKENS: u64 = 1 << 40;

impl Usage {
    /// These counts, if they can be true.
    #[must_use]
    pub fn believable(self) -> Option<Self> {
        let parts = [
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
        ];
        let all = [self.input_tokens, self.output_tokens];
        let mut all = all.into_iter().chain(parts.into_iter().flatten());
        all.all(|count| count < MAX_TOKENS).then_some(self)
    }

    /// What these tokens cost by `price`, rounded up to a millionth of a dollar. A share whose own
    /// price is not known costs what the prompt costs.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of tokens are far below 2^53, and a cost is bounded before it is cut"
    )]
    pub fn cost(&self, price: &Price) -> Cost {
        let price = price.of_prompt(self.input_tokens);
        let cached = self.cached_input_tokens.unwrap_or(0).min(self.input_tokens);
        let written = (self.cache_write_tokens.unwrap_or(0)).min(self.input_tokens - cached);
        let rest = self.input_tokens - cached - written;
        let micro_usd = rest as f64 * price.input
            + cached as f64 * price.cached_input.unwrap_or(price.input)
            + written as f64 * price.cache_write.unwrap_or(price.input)
            + self.output_tokens as f64 * price.output;
        // What binary fractions add must not become a millionth.
        Cost((micro_usd - 1e-6).ceil().clamp(0.0, 9e15) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::LongPrice;

    fn price() -> Price {
        Price {
            input: 1.25,
            cached_input: Some(0.125),
            cache_write: None,
            output: 10.0,
            above: None,
            as_of: jiff::civil::date(2026, 10, 4),
        }
    }

    #[test]
    fn a_cost_is_that_of_each_share_of_the_tokens_rounded_up() {
        let usage = Usage {
            input_tokens: 1_000_000,
            output_tokens: 1_000_000,
            ..Usage::default()
        };
        assert_eq!(usage.cost(&price()), Cost(11_250_000));
        assert!((usage.cost(&price()).usd() - 11.25).abs() < 1e-9);
        let cached = Usage {
            cached_input_tokens: Some(600_000),
            ..usage
        };
        assert_eq!(cached.cost(&price()), Cost(10_575_000));
        let written = Price {
            cache_write: Some(2.5),
            ..price()
        };
        let both = Usage {
            cache_write_tokens: Some(400_000),
            ..cached
        };
        assert_eq!(both.cost(&written), Cost(11_075_000));
        let little = Usage {
            input_tokens: 1,
            ..Usage::default()
        };
        assert_eq!(little.cost(&price()), Cost(2));
        assert_eq!(Usage::default().cost(&price()), Cost(0));
    }

    #[test]
    fn a_long_prompt_makes_all_of_a_call_dearer() {
        let long = LongPrice {
            tokens: 200_000,
            input: 2.5,
            cached_input: None,
            cache_write: None,
            output: 20.0,
        };
        let price = Price {
            above: Some(long),
            ..price()
        };
        let of = |input_tokens| {
            let usage = Usage {
                input_tokens,
                output_tokens: 1_000_000,
                cached_input_tokens: Some(100_000),
                ..Usage::default()
            };
            usage.cost(&price)
        };
        assert_eq!(of(200_000), Cost(12_500 + 125_000 + 10_000_000));
        assert_eq!(of(200_001), Cost(500_003 + 20_000_000));
    }

    #[test]
    fn a_vendor_that_counts_more_cached_tokens_than_there_are_costs_no_more() {
        let odd = Usage {
            input_tokens: 8,
            cached_input_tokens: Some(u64::MAX),
            cache_write_tokens: Some(u64::MAX),
            ..Usage::default()
        };
        assert_eq!(odd.cost(&price()), Cost(1));
        assert_eq!(odd.believable(), None);
        assert_eq!(Usage::default().believable(), Some(Usage::default()));
    }
}
