//! The proof for what a command logs in with: given to it for each run, and between and during runs
//! in the pool once and nowhere else. The environment block is part of what is looked at.

use keyward::secrets::memory::scanner::Canary;

use super::{
    ordinary_user,
    place::{Way, settings},
    watched::{Watched, most},
};
use crate::support::{
    environment::wait_for,
    keyward::{Setup, write_private},
    upstream::ANSWER,
};

/// Prints the key if it was given its login, and not before it is told to.
const SCRIPT: &str = "echo > $0.runs\nwhile [ ! -e $0.go ]; do /bin/sleep 0.01; done\n\
                      [ \"$LOGIN_TOKEN\" = \"$(/bin/cat $0.login)\" ] && /bin/cat $0.key\n";

#[test]
fn a_commands_login_rests_in_the_pool_alone_and_reaches_each_run() {
    ordinary_user::tries(|| {
        let (key, login) = (Canary::random(64), Canary::random(64));
        let upstream = Way::Http1.upstream(&key);
        let setup = Setup::with_config("");
        let file = |name: &str| setup.folder().join(name);
        let script = file("script");
        let exec = format!(
            "    exec:\n      commands:\n        tool:\n          argv: [/bin/sh, {script:?}]\n          \
             env: {{ secret: [LOGIN_TOKEN] }}\n"
        );
        let strict = "      connections: strict\n";
        let whole = settings(&exec, "exec:tool", &upstream, strict);
        write_private(setup.config_file(), &whole);
        write_private(&script, SCRIPT);
        write_private(&file("script.key"), &key);
        write_private(&file("script.login"), &login);
        let (runs, go) = (file("script.runs"), file("script.go"));
        let mut server = Watched::serve(setup.env("LOGIN_TOKEN", login.as_str()));

        let assert_rests = |server: &Watched, moment: &str| {
            let [report] = server.scan([&login]);
            assert!(report.outside.is_nothing(), "{moment}: {report}");
            assert_eq!(most(report.inside), 1, "{moment}: {report}");
        };
        assert_rests(&server, "idle");
        for _ in 0..2 {
            let call = server.start_chat();
            wait_for(|| runs.exists().then_some(())).expect("the command runs");
            assert_rests(&server, "running");
            write_private(&go, "");
            let answer = server.answer_to(call);
            let text = &answer["result"]["structuredContent"]["answer"];
            assert_eq!(text, ANSWER, "{answer} {}", server.log());
            let [login] = server.scan_after_the_end([&login]);
            assert!(login.outside.is_nothing(), "ended: {login}");
            assert_eq!(most(login.inside), 1, "ended: {login}");
            for file in [&runs, &go] {
                std::fs::remove_file(file).unwrap();
            }
        }
    });
}
