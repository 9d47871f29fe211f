//! The table of logins: what each way to log in to Vault leaves of the credential that goes in, of
//! the token that comes out, and of the key behind both.

use std::{fmt::Write as _, panic::resume_unwind, thread};

use keyward::secrets::memory::scanner::{Needle, Report};
use serde_json::json;

use super::{
    holding::fetched,
    ordinary_user,
    phases::numbers,
    place::vault,
    watched::{Watched, after_the_end, most},
    way_in::{Entrance, WayIn, arrange},
};
use crate::support::upstream::ANSWER;

/// The most copies of a credential outside the pool while the login with it is out.
const LOGGING_IN: usize = 2;

/// The same of a token while Vault is asked with it.
const ASKING: usize = 2;

/// When a server is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Vault has made a token, and the answer that brings it is withheld.
    LoggingIn,
    /// The upstream has the request, and withholds its answer.
    InFlight,
    /// 100 ms after that call.
    Ended,
    /// Vault is asked for the key a second time, and its answer is withheld.
    Asking,
    /// 100 ms after a call whose token was dead, so that there was another login.
    Again,
}

impl Moment {
    const ALL: [Self; 5] = [
        Self::LoggingIn,
        Self::InFlight,
        Self::Ended,
        Self::Asking,
        Self::Again,
    ];
}

/// What is looked for, and how much of it may be there when nothing is under way.
struct Wanted {
    what: &'static str,
    rest: (usize, usize),
}

impl Wanted {
    /// What is wrong with what was found, if anything is.
    fn judge(&self, moment: Moment, report: Report) -> Result<(), String> {
        let (inside, outside) = (most(report.inside), most(report.outside));
        let is_key = self.what == KEY;
        let is_right = match moment {
            Moment::LoggingIn if !is_key => {
                inside <= self.rest.0.max(1) && outside <= self.rest.1 + LOGGING_IN
            }
            Moment::Asking if !is_key => {
                inside <= self.rest.0.max(1) && outside <= self.rest.1 + ASKING
            }
            Moment::InFlight if is_key => inside == 0 && outside <= 2,
            _ => inside == self.rest.0 && outside <= self.rest.1,
        };
        is_right
            .then_some(())
            .ok_or_else(|| format!("{}, {moment:?}: {report}", self.what))
    }
}

const KEY: &str = "the key";

/// What was seen of one secret.
struct Row {
    way_in: WayIn,
    what: &'static str,
    held: Option<Report>,
    seen: Vec<(Moment, Report)>,
}

/// A server that is looked at from moment to moment.
struct Look {
    way_in: WayIn,
    entrance: Entrance,
    server: Watched,
    /// How many tokens the proxy had seen before this server.
    tokens_before: usize,
    rows: Vec<Row>,
    wrong: Vec<String>,
}

impl Look {
    /// What there is to look for by now.
    fn wanted(&self) -> Vec<(Wanted, Needle)> {
        let text = |text: &str| Needle::new(text.as_bytes()).unwrap();
        let of = |what, rest| Wanted { what, rest };
        let mut wanted = vec![(of(KEY, (0, 0)), text(&self.entrance.key))];
        for credential in self.entrance.credentials() {
            wanted.push((of(credential.what, credential.rest), credential.needle()));
        }
        for (token, behind) in self.tokens().iter().rev().zip(0..) {
            let (what, inside) = match behind {
                0 => ("its token", 1),
                _ => ("a dead token", 0),
            };
            wanted.push((of(what, (inside, 0)), text(token)));
        }
        wanted
    }

    /// The tokens of this server's logins.
    fn tokens(&self) -> Vec<String> {
        self.entrance.proxy.tokens().split_off(self.tokens_before)
    }

    fn at(&mut self, moment: Moment) {
        let (wanted, needles): (Vec<Wanted>, Vec<Needle>) = self.wanted().into_iter().unzip();
        for (wanted, report) in wanted.iter().zip(self.server.look_for(&needles)) {
            if let Err(wrong) = wanted.judge(moment, report) {
                self.wrong.push(format!("{}: {wrong}", self.way_in.name()));
            }
            match self.rows.iter_mut().find(|row| row.what == wanted.what) {
                Some(row) => row.seen.push((moment, report)),
                None => self.rows.push(Row {
                    way_in: self.way_in,
                    what: wanted.what,
                    held: None,
                    seen: vec![(moment, report)],
                }),
            }
        }
    }

    fn answer_to(&mut self, call: u64) {
        let answer = self.server.answer_to(call);
        let text = &answer["result"]["structuredContent"]["answer"];
        let name = self.way_in.name();
        assert_eq!(text, ANSWER, "{name}: {answer}\n{}", self.server.log());
    }
}

/// Looks at a server from its first login to its end.
fn through(way_in: WayIn) -> (Vec<Row>, Vec<String>) {
    let (mut entrance, setup) = arrange(way_in);
    let held = fetched(&setup, &entrance.key);
    assert!(
        most(held.inside) + most(held.outside) <= 1,
        "{}, fetched: {held}",
        way_in.name()
    );
    entrance.refresh(&setup);
    let (logins, lookups) = (
        entrance.proxy.tokens().len(),
        entrance.proxy.count("lookup-self"),
    );
    let mut look = Look {
        way_in,
        server: Watched::serve(setup),
        tokens_before: logins,
        entrance,
        rows: Vec::new(),
        wrong: Vec::new(),
    };

    if way_in.makes_a_token() {
        look.entrance.proxy.hold("/login");
    }
    look.entrance.upstream.hold();
    let call = look.server.start_chat();
    if way_in.makes_a_token() {
        look.entrance.proxy.wait_for_path(logins + 1, "/login");
        look.at(Moment::LoggingIn);
        look.entrance.proxy.release();
        look.entrance.upstream.wait_for_requests(1);
    } else {
        look.entrance.upstream.wait_for_requests(1);
        // A supplied token is looked up a second after it was first used.
        look.entrance
            .proxy
            .wait_for_path(lookups + 1, "lookup-self");
        after_the_end();
    }
    look.at(Moment::InFlight);
    look.entrance.upstream.release();
    look.answer_to(call);
    after_the_end();
    look.at(Moment::Ended);

    let reads = look.entrance.proxy.count("/data/");
    look.entrance.proxy.hold("/data/");
    let call = look.server.start_chat();
    look.entrance.proxy.wait_for_path(reads + 1, "/data/");
    look.at(Moment::Asking);
    look.entrance.proxy.release();
    look.answer_to(call);

    let expected = if way_in.makes_a_token() {
        let first = look.tokens();
        assert_eq!(first.len(), 1, "the second call uses the same login");
        let dead = vault().as_token(&first[0]);
        dead.put("auth/token/revoke-self", &json!({}));
        2
    } else {
        0
    };
    let call = look.server.start_chat();
    look.answer_to(call);
    after_the_end();
    look.at(Moment::Again);

    let tokens = look.tokens();
    assert_eq!(tokens.len(), expected, "{}", way_in.name());
    assert!(look.server.close().success());
    for token in tokens {
        let asked = vault().as_token(&token);
        let known = asked.ask("GET", "auth/token/lookup-self", None).unwrap();
        assert_eq!(known.status, 403, "{}: revoked at the end", way_in.name());
    }
    look.rows[0].held = Some(held);
    (look.rows, look.wrong)
}

#[test]
fn a_login_leaves_its_credential_nowhere_and_its_token_once_in_the_pool() {
    ordinary_user::tries(|| {
        let (rows, wrong): (Vec<Vec<Row>>, Vec<Vec<String>>) = thread::scope(|scope| {
            let ways = WayIn::ALL.map(|way_in| scope.spawn(move || through(way_in)));
            let joined = ways.into_iter().map(|way| way.join());
            joined
                .map(|seen| seen.unwrap_or_else(|panic| resume_unwind(panic)))
                .unzip()
        });
        let rows: Vec<Row> = rows.into_iter().flatten().collect();
        println!("{}", table(&rows));
        let wrong = wrong.concat();
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "\nlogins to Vault, inside the pool / outside; each is full copies, fragments, base64, \
         huffman\n",
    );
    for row in rows {
        let held = row.held.map(|held| format!(" fetched {}", numbers(held)));
        let _ = write!(
            text,
            "{:<17} {:<25}{}",
            row.way_in.name(),
            row.what,
            held.unwrap_or_default()
        );
        for moment in Moment::ALL {
            if let Some((_, report)) = row.seen.iter().find(|(seen, _)| *seen == moment) {
                let _ = write!(text, "  {moment:?} {}", numbers(*report));
            }
        }
        text.push('\n');
    }
    text
}
