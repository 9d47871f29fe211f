//! The proof for the private key of the certificate that a model provider is shown: it is had for
//! one call, and goes with that call's connection.

use keyward::secrets::memory::scanner::{Canary, Needle};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use super::{
    ordinary_user,
    place::{AUTHORITY, settings},
    watched::{Watched, after_the_end, most},
    way_in::scalar,
};
use crate::support::{
    keyward::{Setup, write_private},
    tls::{Authority, Protocol},
    upstream::{ANSWER, Upstream},
};

#[test]
fn the_key_of_a_client_certificate_is_gone_with_the_call_that_showed_it() {
    ordinary_user::tries(|| {
        for protocol in [Protocol::Http1, Protocol::Http2] {
            proven(protocol);
        }
    });
}

fn proven(protocol: Protocol) {
    let (clients, pair) = (Authority::new(), KeyPair::generate().unwrap());
    let params = CertificateParams::new(vec!["client.example".to_owned()]).unwrap();
    let certificate = clients.sign(params, &pair);
    let folder = tempfile::tempdir().unwrap();
    let [cert_file, key_file] = ["client.pem", "client.key"].map(|name| folder.path().join(name));
    std::fs::write(&cert_file, certificate).unwrap();
    write_private(&key_file, &pair.serialize_pem());

    let key = Canary::random(51);
    let upstream = Upstream::start_demanding(&AUTHORITY, &clients.pem, protocol, Some(&key));
    let shown = format!(
        "      client_certificate_file: {cert_file:?}\n      client_key_secret: client-key\n"
    );
    let config = settings("", "env:STAND_IN_KEY", &upstream, &shown).replace(
        "  names:\n",
        &format!(
            "  names:\n    client-key: {{ ref: \"file:{}\" }}\n",
            key_file.display()
        ),
    );
    let setup = Setup::with_config(&config).env("STAND_IN_KEY", key.as_str());
    let mut server = Watched::serve(setup);
    // As its file has it, and as the TLS library reckons with it.
    let (number, mut words) = (scalar(&pair), scalar(&pair));
    words.reverse();
    let needles = [&number, &words].map(|bytes| Needle::of_bytes(bytes).unwrap());
    let found = |server: &Watched| {
        let reports = server.look_for(&needles);
        reports
            .iter()
            .map(|report| (most(report.inside), most(report.outside)))
            .collect::<Vec<_>>()
    };
    upstream.hold();
    let call = server.start_chat();
    upstream.wait_for_requests(1);
    assert_eq!(found(&server), [(0, 0), (0, 1)], "{protocol:?}, in flight");
    upstream.release();
    let answer = server.answer_to(call);
    assert_eq!(
        answer["result"]["structuredContent"]["answer"], ANSWER,
        "{protocol:?}: {answer}"
    );
    // What all keys have in common is nobody's secret.
    let chat = json!({ "name": "chat", "arguments": { "prompt": "-----BEGIN PRIVATE KEY----- is how it begins" } });
    let id = server.request("tools/call", chat);
    let answer = server.answer_to(id);
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    after_the_end();
    assert_eq!(found(&server), [(0, 0), (0, 0)], "{protocol:?}, ended");
}
