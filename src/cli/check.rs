//! `keyward check`: is the configuration right, and what protects this process? Offline.

use serde_json::json;

use super::{Exit, keeping, print, world::World};
use crate::secrets::memory::{Locking, Protections};

/// Prints what the configuration amounts to. That it is valid was shown by `world`'s being there.
pub(super) fn check(world: &World, protections: &Protections, as_json: bool) -> Exit {
    let config = &world.config;
    let file = config.path.as_ref().map(|path| path.display().to_string());
    let http = config
        .server
        .http
        .as_ref()
        .map(|http| http.listen.to_string());
    let chain = config.secrets.chain();
    let names: Vec<&str> = world
        .broker
        .bound_names()
        .map(|name| name.as_str())
        .collect();
    let models = world.models.list();
    let locking = match &world.pool.report().locking {
        Locking::Locked => "locked",
        Locking::Off => "not locked, as `memory.lock: off` says",
        Locking::Refused { .. } | Locking::NoMemory { .. } => "not locked",
    };
    let warning = world.pool.report().warning();
    let policy = world.policy_in_words();
    let redaction = config.redaction.in_words();
    let audit = keeping::in_words(config.audit.as_ref());
    let roots = world.registry.workspace().roots();
    let warnings = [world.warnings.clone(), unreadable(world)].concat();
    let roots: Vec<(String, bool)> = roots
        .into_iter()
        .map(|(root, is_folder)| (root.display().to_string(), is_folder))
        .collect();
    if as_json {
        let absent: Vec<_> = protections
            .absent
            .iter()
            .map(|absent| json!({ "protection": absent.protection, "because": absent.because }))
            .collect();
        print(json!({
            "valid": true,
            "file": file,
            "http": http,
            "chain": chain,
            "names": names,
            "models": models,
            "policy": policy,
            "warnings": warnings,
            "redaction": redaction,
            "audit": audit,
            "workspace": roots.iter().map(|(root, is_folder)| json!({ "root": root, "is_readable": is_folder })).collect::<Vec<_>>(),
            "protections": { "in_force": protections.in_force, "absent": absent },
            "key_memory": { "state": locking, "warning": warning },
        }));
        return Exit::Done;
    }
    print(format_args!(
        "configuration  {}",
        file.as_deref().unwrap_or("none (defaults)")
    ));
    print(format_args!(
        "transport      {}",
        http.as_deref().unwrap_or("stdio")
    ));
    print(format_args!("chain          {}", chain.join(", ")));
    print(format_args!(
        "bound names    {}",
        or_none(&names.join(", "))
    ));
    print(format_args!("policy         {policy}"));
    for warning in &warnings {
        print(format_args!("  warning      {warning}"));
    }
    print(format_args!("redaction      {redaction}"));
    print(format_args!("audit          {audit}"));
    for (root, is_readable) in &roots {
        print(format_args!("workspace      {root}"));
        if !is_readable {
            print("  warning      this is no folder that can be read");
        }
    }
    print(format_args!("key memory     {locking}"));
    if let Some(warning) = warning {
        print(format_args!("  warning      {warning}"));
    }
    for protection in &protections.in_force {
        print(format_args!("protection     {protection}"));
    }
    for absent in &protections.absent {
        print(format_args!(
            "  absent       {}: {}",
            absent.protection, absent.because
        ));
    }
    for model in &models {
        let (name, provider, key) = (&model.model, &model.provider, model.key);
        print(format_args!(
            "model          {name} via {provider}, key {key}"
        ));
    }
    if models.is_empty() {
        print("model          none: set OPENAI_API_KEY, or write models.providers");
    }
    print("\nvalid; nothing was contacted. `keyward secrets check` fetches each secret once.");
    Exit::Done
}

/// Files of model providers that cannot be read now: their calls would fail.
fn unreadable(world: &World) -> Vec<String> {
    let config = &world.config;
    let mut warnings = Vec::new();
    for (name, provider) in &config.models.providers.0 {
        for (setting, file) in [
            ("ca_file", &provider.ca_file),
            ("client_certificate_file", &provider.client_certificate_file),
        ] {
            let Some(file) = file else { continue };
            let place = config
                .dir
                .as_ref()
                .map_or_else(|| file.clone(), |dir| dir.join(file));
            if let Err(error) = std::fs::read(&place) {
                let place = place.display();
                warnings.push(format!(
                    "`{setting}` of the model provider `{name}` cannot be read: {place}: {error}"
                ));
            }
        }
    }
    warnings
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
