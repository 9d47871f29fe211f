//! `auto`: which model is asked where none is named, by what is wanted of it.
//!
//! A ranking is an order of facts that anybody can look up. What is not known of a model ranks
//! behind what is; among equals the order of the configuration decides.

use std::sync::Arc;

use crate::{
    models::{Ability, ModelFacts, ModelProvider, Speed},
    nearest::nearest,
};

/// What is wanted of a model that is not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// `auto`: the first that is configured.
    First,
    /// `auto:deep`: the strongest at reasoning.
    Deep,
    /// `auto:balanced`: the strongest of those that are not slow; of equals the cheapest.
    Balanced,
    /// `auto:fast`: the quickest; of equals the cheapest.
    Fast,
    /// `auto:cheap`: the cheapest; of equals the strongest.
    Cheap,
    /// `auto:long-context`: the one that takes most; of equals the strongest.
    LongContext,
    /// `auto:vision`: the strongest that reads images.
    Vision,
}

const NAMES: [(&str, Category); 7] = [
    ("auto", Category::First),
    ("auto:deep", Category::Deep),
    ("auto:balanced", Category::Balanced),
    ("auto:fast", Category::Fast),
    ("auto:cheap", Category::Cheap),
    ("auto:long-context", Category::LongContext),
    ("auto:vision", Category::Vision),
];

/// Where a model stands; more is better, field by field.
type Rank = (i64, i64);

impl Category {
    /// The category of this name, in any case. `None`: it names a model. `Some(Err)`: it begins as a
    /// category does and is none; the nearest are told.
    #[must_use]
    pub fn of(name: &str) -> Option<Result<Self, Vec<String>>> {
        let lower = name.to_ascii_lowercase();
        let known = NAMES.iter().find(|(known, _)| *known == lower);
        if let Some((_, category)) = known {
            return Some(Ok(*category));
        }
        lower.starts_with("auto:").then(|| {
            let near = nearest(&lower, NAMES.iter().map(|(name, _)| *name));
            Err(near
                .iter()
                .take(3)
                .map(|near| near.name.to_owned())
                .collect())
        })
    }

    /// The best of `models` for this.
    pub(super) fn best(
        self,
        models: Vec<(Arc<dyn ModelProvider>, ModelFacts)>,
    ) -> Option<(Arc<dyn ModelProvider>, ModelFacts)> {
        let mut best: Option<(Rank, _)> = None;
        for (provider, model) in models {
            let Some(rank) = self.rank(&model) else {
                continue;
            };
            if best.as_ref().is_none_or(|(other, _)| rank > *other) {
                best = Some((rank, (provider, model)));
            }
        }
        best.map(|(_, best)| best)
    }

    /// `None`: it will not do.
    fn rank(self, model: &ModelFacts) -> Option<Rank> {
        let strength = model.intelligence.map_or(0, i64::from);
        let cheapness = price(model).map_or(i64::MIN, |price| -price);
        let speed = match model.speed {
            None => 0,
            Some(Speed::Slow) => 1,
            Some(Speed::Balanced) => 2,
            Some(Speed::Fast) => 3,
        };
        Some(match self {
            Self::First => (0, 0),
            Self::Deep => (strength, cheapness),
            Self::Balanced if model.speed == Some(Speed::Slow) => return None,
            Self::Balanced => (strength, cheapness),
            Self::Fast => (speed, cheapness),
            Self::Cheap => (cheapness, strength),
            Self::LongContext => {
                let context = model.context_window.unwrap_or(0);
                (i64::try_from(context).unwrap_or(i64::MAX), strength)
            }
            Self::Vision => {
                let known = model.abilities.as_ref()?;
                known.contains(&Ability::Images).then_some(())?;
                (strength, cheapness)
            }
        })
    }
}

/// What three tokens of a prompt and one of an answer cost, in thousandths of a dollar for a million
/// of each: questions are longer than answers.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a catalogue's prices are small"
)]
fn price(model: &ModelFacts) -> Option<i64> {
    let price = model.price?;
    Some(((3.0 * price.input + price.output) * 1000.0).clamp(0.0, 1e15) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_told_from_a_model_by_its_name() {
        assert_eq!(Category::of("Auto"), Some(Ok(Category::First)));
        assert_eq!(Category::of("auto:CHEAP"), Some(Ok(Category::Cheap)));
        for model in ["gpt-5", "qwen3:32b", "openrouter/auto", "automatic", ""] {
            assert_eq!(Category::of(model), None, "{model}");
        }
        let unknown = Category::of("auto:cheep").unwrap().unwrap_err();
        assert_eq!(unknown[0], "auto:cheap");
    }
}
