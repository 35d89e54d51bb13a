//! Hashes that other systems have made: their passwords sign in, and the next time there is a hash of our own.

use serde_json::json;

use super::{BCRYPT, Destination, sign_in};
use crate::support::on_each_database;

/// By other implementations: the test vectors of Argon2's (one of its first version, which wrote no number) and Openwall's
/// bcrypt, passlib's manual and libxcrypt for scrypt, npm's scrypt-kdf and bcryptjs. The last one is of a password that is not
/// in Unicode's NFKC.
const HASHES: [(&str, &str, &str); 10] = [
    (
        "argon2id",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "password",
    ),
    (
        "argon2i",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
        "password",
    ),
    (
        "argon2_first",
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        "password",
    ),
    (
        "bcrypt_2a",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "U*U",
    ),
    ("bcrypt_2b", BCRYPT, "correct horse"),
    (
        "bcrypt_2y",
        "$2y$04$X9DIgVLGS9AFX9QeMG6LUurNdOMkmpu6EYZWr3fVBI/Ho2XTEOKLG",
        "correct horse",
    ),
    (
        "scrypt",
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        "password",
    ),
    (
        "scrypt_modular",
        "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
        "pleaseletmein",
    ),
    (
        "scrypt_kdf",
        "c2NyeXB0AAoAAAAIAAAAAV7rlgnS/G5PeiK4292qMXMHgHABNAf/rezrLGuf+eZmWmBFGbVUWT9FkOUnuCSkHYD+Ijp4B5YJBKsUs2UiaaKHWL8owncg0QwOq1Q\
         XKdZu",
        "correct horse",
    ),
    (
        "not_nfkc",
        "$2b$04$eOnmKvdls0x3G6VJKzsv1.CzGhO7KYdC6CzbniTGOO9YgbL.brZ8.",
        "e\u{301}te\u{301} 20 \u{fb01}n",
    ),
];

on_each_database! {
    async fn each_make_signs_in_and_is_made_anew(database: TestDatabase) {
        let destination = Destination::of(&database);
        let lines = HASHES.map(|(name, hash, _)| json!({ "username": name, "passwordHash": hash }).to_string());
        let import = destination.import("accounts.jsonl", lines.join("\n"));
        assert_eq!(import.counts(), [10, 0, 0], "{}", import.0.stderr);
        let server = destination.serve();
        for (name, hash, password) in HASHES {
            let before = destination.row(name).await;
            assert_eq!(before.password_hash.as_deref(), Some(hash));
            let answer = sign_in(&server, name, "password!").await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "AUTHENTICATION_FAILED", "{answer:#}");
            assert_eq!(destination.row(name).await, before);

            let answer = sign_in(&server, name, password).await;
            assert_eq!(answer["data"]["signIn"]["account"]["username"], name, "{answer:#}");
            let after = destination.row(name).await;
            let ours = after.password_hash.clone().unwrap();
            assert!(ours.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{name}");
            assert_eq!(after.credentials_version, before.credentials_version);

            let answer = sign_in(&server, name, password).await;
            assert_eq!(answer["data"]["signIn"]["account"]["username"], name, "{answer:#}");
            assert_eq!(destination.row(name).await, after);
            let answer = sign_in(&server, name, "password!").await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "AUTHENTICATION_FAILED", "{answer:#}");
        }
        drop(server);
        // What has been made anew is still the account that was imported.
        assert_eq!(destination.import_again("accounts.jsonl").counts(), [0, 10, 0]);
    }

    async fn an_account_keeps_its_state(database: TestDatabase) {
        let destination = Destination::of(&database);
        let lines = [
            json!({ "username": "Blocked", "passwordHash": BCRYPT, "deactivated": true }),
            json!({ "username": "without_password" }),
            json!({ "id": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "email": "Ada@Example.org", "emailVerified": true,
                    "passwordHash": BCRYPT, "permissions": ["a", "b", "a"], "deactivated": false, "username": null,
                    "createdAt": "2019-05-06T07:08:09.123456789+02:00" }),
        ];
        let import = destination.import("accounts", lines.map(|line| line.to_string()).join("\n"));
        assert_eq!(import.counts(), [3, 0, 0], "{}", import.0.stderr);
        let server = destination.serve();
        let answer = sign_in(&server, "blocked", "correct horse").await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "USER_DEACTIVATED", "{answer:#}");
        let answer = sign_in(&server, "without_password", "correct horse").await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "AUTHENTICATION_FAILED", "{answer:#}");
        let document = "mutation { signIn(input: { identifier: \"ada@example.org\", password: \"correct horse\" }) \
                        { account { id email emailVerified permissions deactivated createdAt updatedAt } } }";
        let answer = server.query(document, None).await;
        let expected = json!({
            "id": "6f9619ff-8b86-4011-b42d-00c04fc964ff",
            "email": "ada@example.org",
            "emailVerified": true,
            "permissions": ["a", "b"],
            "deactivated": false,
            "createdAt": "2019-05-06T05:08:09.123456Z",
            "updatedAt": "2019-05-06T05:08:09.123456Z",
        });
        let account = &answer["data"]["signIn"]["account"];
        for (field, expected) in expected.as_object().unwrap() {
            let same_instant = |text: &serde_json::Value| {
                chrono::DateTime::parse_from_rfc3339(text.as_str().unwrap_or_default()).ok()
            };
            let is_instant = same_instant(expected).is_some();
            if is_instant {
                assert_eq!(same_instant(&account[field]), same_instant(expected), "{field}");
            } else {
                assert_eq!(&account[field], expected, "{field}");
            }
        }
    }
}
