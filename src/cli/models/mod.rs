//! `keyward models …`: which models there are, what is known of one, and whether it answers.

mod check;
mod list;
mod show;

use super::{Exit, args::Models, complain, world::World};
use crate::models::{ModelError, Selected};

/// Runs one of the commands.
pub(super) fn run(world: World, command: &Models) -> Exit {
    match command {
        Models::List(options) => list::list(&world, options.json),
        Models::Show(options) => show::show(&world, &options.name, options.json),
        Models::Check(options) => super::run(check::check(world, &options.name, options.json)),
    }
}

/// The model that was named, or that `auto` stands for.
fn named(world: &World, name: &str) -> Result<Selected, Exit> {
    let told = |error: ModelError| {
        complain(error);
        Exit::Invalid
    };
    world.models.select(Some(name), None, &[]).map_err(told)
}
