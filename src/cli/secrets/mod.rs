//! `keyward secrets …`: what an operator may learn of secrets. No command here can show a value.

mod check;
mod explain;
mod list;

use std::collections::BTreeSet;

use super::{Exit, args::Secrets, complain, keeping, world::World};
use crate::{
    call::CallIdentity,
    secrets::{InvalidName, SecretName},
};

/// Runs one of the commands.
pub(super) fn run(world: World, command: Secrets) -> Exit {
    match command {
        Secrets::List(options) => list::list(&world, options.json),
        Secrets::Check(options) => {
            let principal = options.principal.as_deref();
            super::run(check::check(world, &options.names, principal, options.json))
        }
        Secrets::Explain(options) => {
            let principal = options.principal.as_deref();
            super::run(explain::explain(
                world,
                &options.name,
                principal,
                options.json,
            ))
        }
    }
}

/// Every name that the configuration binds or that something in it asks for.
fn used(world: &World) -> BTreeSet<SecretName> {
    let token = world.token.as_ref().map(|token| token.name().clone());
    world
        .broker
        .bound_names()
        .cloned()
        .chain(world.models.secrets())
        .chain(token)
        .chain(keeping::secrets(world.config.audit.as_ref()))
        .collect()
}

/// The names that were typed, or all that are used.
fn named(world: &World, names: &[String]) -> Result<Vec<SecretName>, Exit> {
    if names.is_empty() {
        return Ok(used(world).into_iter().collect());
    }
    let parsed: Result<_, InvalidName> = names.iter().map(|name| name.parse()).collect();
    parsed.map_err(|error| {
        complain(error);
        Exit::Unreadable
    })
}

/// On whose behalf an operator asks: `principal` matters for names whose place depends on it.
fn operator(command: &str, principal: Option<&str>) -> CallIdentity {
    CallIdentity {
        request_id: uuid::Uuid::new_v4().simple().to_string(),
        tool: command.to_owned(),
        principal: principal.unwrap_or("operator").to_owned(),
    }
}

fn milliseconds(latency: std::time::Duration) -> f64 {
    (latency.as_secs_f64() * 10_000.0).round() / 10.0
}
