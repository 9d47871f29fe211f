//! The variables of one call, each made when a condition first asks for it.
//!
//! A rule that looks at the principal does not pay for a prompt of a megabyte, and nothing is made
//! twice: all conditions of a call share what one of them has asked for.

use std::{sync::OnceLock, time::Instant};

use cel::{
    Env,
    common::{
        types::{CelBool, CelDouble, CelMap, CelNull, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use serde_json::Value;

use super::{
    facts::Facts,
    failure::Failure,
    meter::Meter,
    operations::boolean,
    rewrite::{GO_ON, METER, PARAMETER},
    roots::Root,
    values::{self, Cel, TooDeep, count, fields, list, text},
};

static NULL: CelNull = CelNull;

/// The variables of one call.
pub(super) struct Variables<'a> {
    facts: Facts<'a>,
    result: Option<&'a Value>,
    env: &'a Env,
    pub(super) meter: Meter,
    made: [OnceLock<Result<Option<Cel<'a>>, TooDeep>>; Root::ALL.len()],
}

impl<'a> Variables<'a> {
    /// Variables of the call that `facts` describe and, if it has been answered, of `result`.
    pub(super) fn new(
        env: &'a Env,
        facts: Facts<'a>,
        result: Option<&'a Value>,
        deadline: Instant,
    ) -> Self {
        Self {
            facts,
            result,
            env,
            meter: Meter::new(deadline),
            made: Default::default(),
        }
    }

    fn get(&self, root: Root) -> Option<&(dyn Val + 'a)> {
        let slot = Root::ALL
            .into_iter()
            .zip(&self.made)
            .find(|(other, _)| *other == root)?
            .1;
        match slot.get_or_init(|| self.make(root)) {
            Ok(made) => made.as_deref(),
            Err(TooDeep) => {
                self.meter.fail(Failure::TooDeep);
                None
            }
        }
    }

    fn make(&self, root: Root) -> Result<Option<Cel<'a>>, TooDeep> {
        let facts = &self.facts;
        Ok(Some(match root {
            Root::Principal => {
                let principal = facts.principal;
                Box::new(fields([
                    ("id", text(&principal.id)),
                    ("kind", text(principal.kind.label())),
                    ("groups", texts(&principal.groups)),
                    (
                        "claims",
                        Box::new(values::from_object(&principal.claims, None)?),
                    ),
                ]))
            }
            Root::User => Box::new(self.user()?),
            Root::Client => {
                let (name, version) = facts
                    .client
                    .map_or(("", ""), |client| (&*client.name, &*client.version));
                Box::new(fields([("name", text(name)), ("version", text(version))]))
            }
            Root::Tool => Box::new(fields([
                ("name", text(&facts.tool.name)),
                ("tags", texts(&facts.tool.tags)),
                ("read_only", Box::new(CelBool::from(facts.tool.read_only))),
            ])),
            Root::Args => Box::new(values::from_object(
                facts.args,
                Some(&facts.tool.input_schema),
            )?),
            Root::Model => text(facts.model.unwrap_or_default()),
            Root::Provider => text(facts.provider.unwrap_or_default()),
            Root::Files => list(facts.files.iter().map(|file| -> Cel<'a> {
                Box::new(fields([
                    ("path", text(&file.path)),
                    ("size", count(file.size)),
                    ("kind", text(&file.kind)),
                ]))
            })),
            Root::Secrets => texts(facts.secrets),
            Root::Usage => Box::new(fields([
                ("calls", count(facts.usage.calls)),
                ("input_tokens", count(facts.usage.input_tokens)),
                ("output_tokens", count(facts.usage.output_tokens)),
                ("cost", Box::new(CelDouble::from(facts.usage.cost.usd()))),
            ])),
            Root::Now => return Ok(self.now()),
            Root::Result => match self.result {
                Some(result) => values::from_json(result, Some(&facts.tool.output_schema))?,
                None => return Ok(None),
            },
        }))
    }

    /// MXCP's view of the principal: its claims, among which who it is cannot be forged, and what
    /// MXCP has for those who have none.
    fn user(&self) -> Result<CelMap<'a>, TooDeep> {
        let principal = self.facts.principal;
        let mut user = values::from_object(&principal.claims, None)?.into_inner();
        for (name, value) in [
            ("id", text(&principal.id)),
            ("user_id", text(&principal.id)),
            ("groups", texts(&principal.groups)),
        ] {
            user.insert(values::key(name), value);
        }
        for (name, default) in [
            ("role", text("anonymous")),
            ("permissions", list(std::iter::empty())),
            ("email", Box::new(CelNull)),
        ] {
            user.entry(values::key(name)).or_insert(default);
        }
        // Of no other type than a text, whatever a claim says.
        for (name, default) in [
            ("username", principal.id.as_str()),
            ("provider", principal.kind.label()),
        ] {
            let claimed = principal.claims.get(name).and_then(Value::as_str);
            user.insert(values::key(name), text(claimed.unwrap_or(default)));
        }
        Ok(CelMap::from(user))
    }

    /// The time, made by the interpreter's own function: its type of time is not ours.
    fn now(&self) -> Option<Cel<'a>> {
        let now: Cel<'a> = Box::new(CelString::from(self.facts.now.to_string()));
        let arguments = vec![CowVal::Owned(now)];
        let make = self.env.find_overload("timestamp", &arguments)?;
        Some(make(arguments).ok()?.into_owned())
    }

    fn parameter<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let args = self.get(Root::Args)?.as_indexer()?;
        // The check let only parameters of the tools pass.
        Some(
            args.get(&CelString::from(name))
                .unwrap_or(CowVal::Borrowed(&NULL)),
        )
    }
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match name {
            GO_ON => self.meter.step().then(|| boolean(true)),
            METER => Some(CowVal::Borrowed(&self.meter)),
            _ => match name.strip_prefix(PARAMETER) {
                Some(parameter) => self.parameter(parameter),
                None => self.get(Root::named(name)?).map(CowVal::Borrowed),
            },
        }
    }
}

fn texts(items: &[String]) -> Cel<'_> {
    list(items.iter().map(|item| text(item)))
}
