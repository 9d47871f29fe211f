//! Models: which model answers a call, through which provider, and how its vendor is spoken to.
//!
//! This room asks the broker for a key by name and never learns where it came from; it does not
//! know what a tool is. Vendor text in errors never leaves it.

mod calls;
mod catalogue;
mod completion;
mod config;
mod error;
mod facts;
mod image;
mod pal;
mod provider;
pub mod providers;
mod resolve;
mod selection;
mod thinking;
mod tokens;

pub use calls::{Fallback, LimitSettings, ModelMetrics, Selected};
pub use catalogue::{MaxTokensField, Preset, presets};
pub use completion::{Completion, CompletionRequest, Cost, Usage};
pub use config::{
    Connections, ModelEntry, ModelProviderSettings, ModelsSettings, Protocol, ProviderList,
    Timeouts,
};
pub use error::{Circumstances, ModelError, ModelErrorKind, Stage};
pub use facts::{Ability, LongPrice, ModelFacts, Price, Speed, Temperature};
pub use image::{Image, ImageKind, MAX_IMAGE_BYTES, NoImage};
pub use pal::PalEnvironment;
pub use provider::ModelProvider;
use resolve::is_model_name;
pub use resolve::{ClientCertificate, Exposed, ProviderConfig, resolve, validate};
pub use selection::{Asker, Category, ModelListing, Models};
pub use thinking::{Budget, Level, Levels, Thinking, ThinkingMode};
