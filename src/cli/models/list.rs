//! `keyward models list`: every model that a call may ask for. Contacts nothing.

use serde_json::json;

use crate::{
    cli::{Exit, print, world::World},
    models::{ModelListing, Price},
};

/// Lists the models.
pub(super) fn list(world: &World, as_json: bool) -> Exit {
    let models = world.models.list();
    if as_json {
        print(json!({ "models": models }));
        return Exit::Done;
    }
    if models.is_empty() {
        print("no model provider has a key: set OPENAI_API_KEY, or write models.providers");
        return Exit::Done;
    }
    let heads = [
        "MODEL",
        "PROVIDER",
        "KEY",
        "CONTEXT",
        "USD/M IN, OUT",
        "ALSO",
    ]
    .map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(heads)
        .chain(models.iter().map(row))
        .collect();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..5).map(width).collect();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        line.push_str(&row[5]);
        print(line.trim_end());
    }
    Exit::Done
}

fn row(model: &ModelListing) -> [String; 6] {
    let unknown = || "-".to_owned();
    [
        model.model.clone(),
        model.provider.clone(),
        model.key.to_owned(),
        model
            .context_window
            .map_or_else(unknown, |tokens| tokens.to_string()),
        model.price.as_ref().map_or_else(unknown, price),
        model.aliases.join(", "),
    ]
}

fn price(price: &Price) -> String {
    format!("{}, {}", price.input, price.output)
}
