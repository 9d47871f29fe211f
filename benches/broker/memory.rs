//! What is left of a key in memory, as the product's own demo counts it: on the same binary that the
//! rotations and outages were measured on. The full table and its proof are in `docs/memory.md`.

use crate::support::{keyward::Setup, moto::Moto, openbao::TlsServer, tls::Authority};

/// How the demo's rows begin, and what they are called here.
const MOMENTS: [&str; 3] = [
    "fetched, not yet sent",
    "upstream has it",
    "100 ms after the end",
];

/// Prints the table of copies.
pub fn measure() {
    println!("| copies and fragments of the key: in the pool / outside | env | vault | aws |");
    println!("|---|---|---|---|");
    let authority = Authority::new();
    let bao = TlsServer::start(&authority);
    bao.mount_kv("secret", 2);
    let vault = Setup::bare()
        .env("VAULT_TOKEN", bao.token())
        .env("VAULT_ADDR", bao.address())
        .env("VAULT_CACERT", bao.ca_file());
    let aws = Setup::bare().envs(Moto::credentials());
    let address = Moto::shared().address();
    let said = [
        Setup::bare().run(&["demo"]),
        vault.run(&["demo", "--secrets", "vault"]),
        aws.run(&["demo", "--secrets", "aws", "--aws-endpoint-url", address]),
    ];
    for moment in MOMENTS {
        let cells = said.each_ref().map(|ended| {
            let row = ended
                .stdout
                .lines()
                .find_map(|line| line.trim().strip_prefix(moment));
            // Where the system forbids ptrace, the demo says so and shows no table.
            let row = row.unwrap_or_else(|| panic!("not measured: {ended:?}"));
            numbers(row)
        });
        println!("| {moment} | {} |", cells.join(" | "));
    }
}

/// `1 copy, 1 fragment   0 copies, 0 fragments` as `1 1 / 0 0`.
fn numbers(row: &str) -> String {
    let words = row.split_whitespace();
    let numbers: Vec<&str> = words.filter(|word| word.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers.len(), 4, "{row}");
    format!(
        "{} {} / {} {}",
        numbers[0], numbers[1], numbers[2], numbers[3]
    )
}
