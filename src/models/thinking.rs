//! How models think, and how one way of asking for it becomes each vendor's own.
//!
//! A caller names a mode, from `minimal` to `max`. Vendors take a word of a list that differs from
//! model to model, or a number of tokens; some take nothing. What a model takes is a fact of the
//! catalogue; a mode that cannot be asked for is refused and never dropped in silence.

use serde::{Deserialize, Serialize};

/// How long a model is to think before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ThinkingMode {
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// As much as most questions need.
    Medium,
    /// Much.
    High,
    /// As much as it can.
    Max,
}

/// How a model thinks, and how that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", rename_all_fields = "snake_case")]
pub enum Thinking {
    /// Nobody said. Asked for, it is sent as the protocol's usual form, for the vendor to judge.
    #[default]
    #[serde(skip)]
    Unknown,
    /// It answers at once.
    Never,
    /// It thinks in its own way, which cannot be changed.
    Always,
    /// By the name of an effort (`reasoning_effort`, `reasoning.effort`).
    Effort(Levels),
    /// By the name of a level (Gemini's `thinkingLevel`).
    Level(Levels),
    /// As much as the question needs, guided by the name of an effort (Anthropic's `adaptive`).
    Adaptive(Levels),
    /// By a number of tokens.
    Budget(Budget),
}

/// The names that a model takes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Levels {
    /// All of them.
    pub levels: Vec<Level>,
    /// What it does where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Level>,
}

/// The numbers of tokens that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The fewest.
    pub min_tokens: u32,
    /// The most.
    pub max_tokens: u32,
    /// Whether none at all may be asked for.
    #[serde(default)]
    pub can_disable: bool,
}

/// A vendor's name for an amount of thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Not at all.
    None,
    /// As little as possible.
    Minimal,
    /// Little.
    Low,
    /// Middling.
    Medium,
    /// As the model does by itself, where that is the only other choice.
    Default,
    /// Much.
    High,
    /// Very much.
    Xhigh,
    /// As much as possible.
    Max,
}

impl Level {
    /// As vendors write it; Gemini takes it in any case.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Default => "default",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    fn rank(self) -> i8 {
        match self {
            Self::None => 0,
            Self::Minimal => 1,
            Self::Low => 2,
            Self::Medium | Self::Default => 3,
            Self::High => 4,
            Self::Xhigh => 5,
            Self::Max => 6,
        }
    }
}

impl ThinkingMode {
    fn rank(self) -> i8 {
        match self {
            Self::Minimal => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
            Self::Max => 6,
        }
    }

    /// The nearest of `levels`, the lower of two that are as near. Thinking that is asked for is
    /// never switched off: `none` is nearest to nothing.
    #[must_use]
    pub fn nearest(self, levels: &[Level]) -> Option<Level> {
        let thinks = levels.iter().filter(|level| **level != Level::None);
        let distance = |level: &&Level| ((level.rank() - self.rank()).abs(), level.rank());
        thinks.min_by_key(distance).copied()
    }

    /// The level of this mode, where nobody said which a model takes: the three that all have.
    #[must_use]
    pub fn usual(self) -> Level {
        match self {
            Self::Minimal | Self::Low => Level::Low,
            Self::Medium => Level::Medium,
            Self::High | Self::Max => Level::High,
        }
    }

    /// So many tokens of a model's budget: a share of the most it takes (0.5, 8, 33, 67 and 100
    /// in a hundred), and never fewer than it takes.
    #[must_use]
    pub fn tokens(self, budget: &Budget) -> u32 {
        let per_mille = match self {
            Self::Minimal => 5,
            Self::Low => 80,
            Self::Medium => 330,
            Self::High => 670,
            Self::Max => 1000,
        };
        let share = u64::from(budget.max_tokens) * per_mille / 1000;
        u32::try_from(share)
            .unwrap_or(budget.max_tokens)
            .clamp(budget.min_tokens.min(budget.max_tokens), budget.max_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Level::{Default, High, Low, Max, Medium, Minimal, None, Xhigh},
        *,
    };

    #[test]
    fn a_mode_becomes_the_nearest_level_that_the_model_takes_and_never_none() {
        for (mode, levels, expected) in [
            (
                ThinkingMode::Minimal,
                &[Minimal, Low, Medium, High][..],
                Some(Minimal),
            ),
            (ThinkingMode::Minimal, &[None, Low, Medium, High], Some(Low)),
            (ThinkingMode::Low, &[Minimal, High], Some(Minimal)),
            (ThinkingMode::Medium, &[Low, High], Some(Low)),
            (ThinkingMode::High, &[None, Default], Some(Default)),
            (ThinkingMode::Max, &[Low, Medium, High, Xhigh], Some(Xhigh)),
            (ThinkingMode::Max, &[Low, Max], Some(Max)),
            (ThinkingMode::Max, &[None], Option::None),
        ] {
            assert_eq!(mode.nearest(levels), expected, "{mode:?} {levels:?}");
        }
    }

    #[test]
    fn a_mode_becomes_its_share_of_a_budget_within_what_the_model_takes() {
        let budget = Budget {
            min_tokens: 128,
            max_tokens: 32_768,
            can_disable: false,
        };
        for (mode, tokens) in [
            (ThinkingMode::Minimal, 163),
            (ThinkingMode::Low, 2_621),
            (ThinkingMode::Medium, 10_813),
            (ThinkingMode::High, 21_954),
            (ThinkingMode::Max, 32_768),
        ] {
            assert_eq!(mode.tokens(&budget), tokens);
        }
        let narrow = Budget {
            min_tokens: 1024,
            ..budget
        };
        assert_eq!(ThinkingMode::Minimal.tokens(&narrow), 1024);
    }
}
