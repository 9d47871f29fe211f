//! A random secret of each shipped rule, made at run time: none that looks real stands in the
//! source, where scanners of code hosts would raise an alarm.

use fastrand::Rng;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGIT: &str = "0123456789";
const HEX: &str = "0123456789abcdef";

/// A secret, and what must stand before it to tell it by.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Empty for a secret that tells itself.
    pub(super) context: String,
    /// What must not survive.
    pub(super) secret: String,
    /// Whether it is found between letters as well.
    pub(super) is_free: bool,
}

/// A sample of `rule`.
pub(super) fn sample(rule: &str, rng: &mut Rng) -> Sample {
    let mut made = Maker { rng };
    let alnum = &[UPPER, LOWER, DIGIT].concat();
    let url_safe = &[alnum, "-_"].concat();
    let base64 = &[alnum, "+/"].concat();
    let upper = &[UPPER, DIGIT].concat();
    let (context, secret) = match rule {
        "aws-access-key-id" => {
            let prefix = made.one(&["AKIA", "ASIA", "ABIA", "ACCA"]);
            (String::new(), prefix + &made.of(upper, 16))
        }
        "aws-secret-access-key" => {
            let context = made.one(&["aws_secret_access_key = ", "\"SecretAccessKey\": \""]);
            (context, made.of(base64, 40))
        }
        "aws-session-token" => {
            let context = made.one(&["aws_session_token=", "\"SessionToken\": \""]);
            (context, made.of(base64, 300))
        }
        "google-api-key" => (String::new(), "AIza".to_owned() + &made.of(url_safe, 35)),
        "google-oauth" => {
            let prefix = made.one(&["ya29.", "GOCSPX-"]);
            (String::new(), prefix + &made.of(url_safe, 40))
        }
        "gcp-service-account" => ("\"private_key_id\": \"".to_owned(), made.of(HEX, 40)),
        "azure-shared-key" => {
            let context = made.one(&["AccountKey=", "SharedAccessKey="]);
            (context, made.of(base64, 86) + "==")
        }
        "azure-shared-access-signature" => {
            let context = "?sv=2024-11-04&sig=".to_owned();
            (context, made.of(alnum, 43) + "%3D")
        }
        "azure-client-secret" => {
            let digit = made.of(DIGIT, 1);
            let head = made.of(alnum, 3) + &digit + "Q~";
            (String::new(), head + &made.of(url_safe, 34))
        }
        "github-token" => {
            let prefix = made.one(&["ghp_", "gho_", "ghu_", "ghs_", "ghr_"]);
            (String::new(), prefix + &made.of(alnum, 36))
        }
        "github-fine-grained-token" => {
            let head = "github_pat_".to_owned() + &made.of(alnum, 22);
            (String::new(), head + "_" + &made.of(alnum, 59))
        }
        "gitlab-token" => {
            let prefix = made.one(&["glpat-", "gldt-", "glrt-", "glptt-", "glcbt-"]);
            (String::new(), prefix + &made.of(url_safe, 20))
        }
        "bitbucket-token" => {
            let prefix = made.one(&["ATBB", "ATCTT3x", "ATATT3x"]);
            (String::new(), prefix + &made.of(alnum, 32))
        }
        "npm-token" => (String::new(), "npm_".to_owned() + &made.of(alnum, 36)),
        "pypi-token" => (
            String::new(),
            "pypi-AgE".to_owned() + &made.of(url_safe, 150),
        ),
        "crates-io-token" => (String::new(), "cio".to_owned() + &made.of(alnum, 32)),
        "rubygems-token" => (String::new(), "rubygems_".to_owned() + &made.of(HEX, 48)),
        "docker-hub-token" => (
            String::new(),
            "dckr_pat_".to_owned() + &made.of(url_safe, 27),
        ),
        "anthropic-key" => {
            let prefix = made.one(&["sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-"]);
            (String::new(), prefix + &made.of(url_safe, 93))
        }
        "openrouter-key" => (String::new(), "sk-or-v1-".to_owned() + &made.of(HEX, 64)),
        "openai-project-key" => {
            let prefix = made.one(&["sk-proj-", "sk-svcacct-", "sk-admin-"]);
            (String::new(), prefix + &made.of(url_safe, 120))
        }
        "openai-key" => (String::new(), "sk-".to_owned() + &made.of(alnum, 48)),
        "xai-key" => (String::new(), "xai-".to_owned() + &made.of(alnum, 80)),
        "groq-key" => (String::new(), "gsk_".to_owned() + &made.of(alnum, 52)),
        "hugging-face-token" => (String::new(), "hf_".to_owned() + &made.of(alnum, 34)),
        "perplexity-key" => (String::new(), "pplx-".to_owned() + &made.of(alnum, 48)),
        "replicate-token" => (String::new(), "r8_".to_owned() + &made.of(alnum, 37)),
        "model-vendor-key" => {
            let context = made.one(&["MISTRAL_API_KEY=", "cohere key: \"", "Together: "]);
            (context, made.of(alnum, 32))
        }
        "slack-token" => {
            let head = made.one(&["xoxb-", "xoxp-"]) + &made.of(DIGIT, 11) + "-";
            let head = head + &made.of(DIGIT, 12) + "-";
            (String::new(), head + &made.of(alnum, 24))
        }
        "slack-webhook" => {
            let secret = [9, 11, 24].map(|length| made.of(alnum, length)).join("/");
            ("https://hooks.slack.com/services/".to_owned(), secret)
        }
        "stripe-key" => {
            let prefix = made.one(&["sk_live_", "sk_test_", "rk_live_", "whsec_"]);
            (String::new(), prefix + &made.of(alnum, 32))
        }
        "twilio-api-key" => (String::new(), "SK".to_owned() + &made.of(HEX, 32)),
        "twilio-auth-token" => ("twilio_auth_token: ".to_owned(), made.of(HEX, 32)),
        "sendgrid-key" => {
            let head = "SG.".to_owned() + &made.of(url_safe, 22) + ".";
            (String::new(), head + &made.of(url_safe, 43))
        }
        "vault-token" => {
            let prefix = made.one(&["hvs.", "hvb.", "hvr."]);
            (String::new(), prefix + &made.of(url_safe, 90))
        }
        "vault-token-short" => {
            let prefix = made.one(&["s.", "b.", "r."]);
            ("vault login ".to_owned(), prefix + &made.of(alnum, 24))
        }
        "jwt" => {
            let parts = [30, 90, 43].map(|length| made.of(url_safe, length));
            let [header, claims, signature] = parts;
            (
                String::new(),
                format!("eyJ{header}.eyJ{claims}.{signature}"),
            )
        }
        "private-key" => (String::new(), made.pem()),
        "age-key" => (
            String::new(),
            "AGE-SECRET-KEY-1".to_owned() + &made.of(upper, 58),
        ),
        "url-password" => {
            let scheme = made.one(&["postgres", "mongodb+srv", "redis", "amqp", "mysql", "https"]);
            let secret = made.of(alnum, 20);
            (format!("{scheme}://app:"), secret)
        }
        "connection-string-password" => {
            let context = made.one(&["Server=db;Password=", "jdbc:mysql://db/app?password="]);
            (context, made.of(alnum, 18))
        }
        "authorization-header" => {
            let context = made.one(&["Authorization: Bearer ", "x-api-key: ", "PRIVATE-TOKEN: "]);
            (context, made.of(url_safe, 40))
        }
        "basic-authorization" => ("Authorization: Basic ".to_owned(), made.of(base64, 24)),
        "env-secret" => {
            let context = made.one(&["DB_PASSWORD=", "export APP_SECRET=\"", "ENV API_TOKEN="]);
            (context, made.of(alnum, 9))
        }
        "generic-secret" => {
            let context = made.one(&["client_secret: \"", "password = '", "\"apiKey\":\""]);
            (context, made.of(alnum, 24))
        }
        other => panic!("no sample for rule `{other}`"),
    };
    let is_free = context.is_empty()
        && !matches!(
            rule,
            "crates-io-token" | "openai-key" | "twilio-api-key" | "vault-token-short"
        );
    Sample {
        context,
        secret,
        is_free,
    }
}

/// What stands behind a secret that needs an end.
pub(super) fn ending(rule: &str) -> &'static str {
    match rule {
        "url-password" => "@db.internal/app ",
        _ => "\" ",
    }
}

struct Maker<'r> {
    rng: &'r mut Rng,
}

impl Maker<'_> {
    fn one(&mut self, choices: &[&str]) -> String {
        self.rng.choice(choices).unwrap().to_string()
    }

    /// Random letters, as all but one in thousands of random keys are: of many kinds, a letter and a
    /// digit among them. Rules that ask for entropy miss that one.
    fn of(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        loop {
            let letters = (0..length).map(|_| *self.rng.choice(&alphabet).unwrap());
            let text: String = letters.collect();
            let different: std::collections::HashSet<char> = text.chars().collect();
            let is_likely = different.len() >= length.min(alphabet.len()) * 2 / 3;
            let has = |is: fn(&char) -> bool| text.chars().any(|c| is(&c));
            let has_digit = !alphabet.contains(&'0') || has(char::is_ascii_digit);
            let has_letter = !alphabet.contains(&'a') || has(char::is_ascii_alphabetic);
            if length < 9 || (is_likely && has_digit && has_letter) {
                return text;
            }
        }
    }

    fn pem(&mut self) -> String {
        let kind = self.one(&["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "]);
        let line_break = self.one(&["\n", "\r\n", "\\n", "\n    "]);
        let base64 = [UPPER, LOWER, DIGIT, "+/"].concat();
        let count = self.rng.usize(2..60);
        let lines: Vec<String> = (0..count).map(|_| self.of(&base64, 64)).collect();
        let lines = lines.join(&line_break);
        let rule = "-".repeat(5);
        format!(
            "{rule}BEGIN {kind}PRIVATE KEY{rule}{line_break}{lines}{line_break}{rule}END \
             {kind}PRIVATE KEY{rule}"
        )
    }
}
