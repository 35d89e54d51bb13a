use super::*;

/// Hashes by other implementations, with their passwords: the reference implementation's own tests (argon2; one of its
/// first version, without a number), Openwall's (bcrypt), passlib's manual, Node.js and libxcrypt (scrypt),
/// npm's scrypt-kdf.
const FOREIGN: [(&str, &str); 12] = [
    (
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "password",
    ),
    (
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
        "password",
    ),
    (
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        "password",
    ),
    (
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "U*U",
    ),
    (
        "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a",
        "U*U*U",
    ),
    (
        "$2b$04$X9DIgVLGS9AFX9QeMG6LUurNdOMkmpu6EYZWr3fVBI/Ho2XTEOKLG",
        "correct horse",
    ),
    (
        "$2y$04$X9DIgVLGS9AFX9QeMG6LUurNdOMkmpu6EYZWr3fVBI/Ho2XTEOKLG",
        "correct horse",
    ),
    (
        "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E",
        "password",
    ),
    (
        "$scrypt$ln=10,r=8,p=1$YSBzYWx0IG9mIHNpeHRlZQ$9DoT/zFi8vnckW+HjfnYYjzWNvW1zPIdWgisnHwKd7o",
        "correct horse",
    ),
    (
        "$7$C6..../....SodiumChloride$kBGj9fHznVYFQMEn/qDCfrDevf9YDtcDdKvEqHJLV8D",
        "pleaseletmein",
    ),
    (SCRYPT_MODULAR, "correct horse"),
    (SCRYPT_KDF, "correct horse"),
];
const SCRYPT_MODULAR: &str =
    "$7$86..../....SodiumChloride$geRDcFA0kWTgf0O6ZCdVt1ip7gcdaR2xtAbSwlsNJi7";
const SCRYPT_KDF: &str = "c2NyeXB0AAoAAAAIAAAAAV7rlgnS/G5PeiK4292qMXMHgHABNAf/rezrLGuf+eZmWmBFGbVUWT9FkOUnuCSkHYD+Ijp4B5YJBKsUs2Ui\
                          aaKHWL8owncg0QwOq1QXKdZu";

fn own() -> Params {
    Params::new(19_456, 2, 1, Some(32)).unwrap()
}

/// What is wrong with a hash that nobody should be able to sign in with.
fn refused(text: &str) -> HashError {
    match StoredHash::parse(text) {
        Ok(hash) => hash.ensure_affordable(&own()).expect_err(text),
        Err(error) => error,
    }
}

/// The bytes of scrypt-kdf with other parameters, and the checksum that goes with them.
fn scrypt_kdf_with(log_n: u8, r: u32, p: u32) -> String {
    let mut bytes = BASE64_STANDARD.decode(SCRYPT_KDF).unwrap();
    bytes[7] = log_n;
    bytes[8..12].copy_from_slice(&r.to_be_bytes());
    bytes[12..16].copy_from_slice(&p.to_be_bytes());
    let checksum = sha256(&bytes[..48]);
    bytes[48..64].copy_from_slice(&checksum[..16]);
    BASE64_STANDARD.encode(bytes)
}

#[test]
fn hashes_of_other_makes_know_their_password_and_no_other() {
    for (text, password) in FOREIGN {
        let hash = StoredHash::parse(text).unwrap();
        assert_eq!(hash.ensure_affordable(&own()), Ok(()), "{text}");
        assert!(hash.verify(password.as_bytes()).unwrap(), "{text}");
        assert!(!hash.verify(b"another").unwrap(), "{text}");
        assert!(!hash.verify(b"").unwrap(), "{text}");
        assert!(!hash.is_argon2id_with(&own()), "{text}");
    }
}

#[test]
fn bcrypt_takes_the_first_72_bytes() {
    let long = "x".repeat(80);
    let text = bcrypt::hash(&long, 4).unwrap();
    let hash = StoredHash::parse(&text).unwrap();
    assert!(hash.verify(long.as_bytes()).unwrap());
    assert!(hash.verify(&long.as_bytes()[..72]).unwrap());
    assert!(!hash.verify(&long.as_bytes()[..71]).unwrap());
}

/// Argon2 of our own parameters is made anew all the same where it is not Argon2id, or of the first version.
#[test]
fn only_argon2id_of_todays_parameters_is_todays() {
    let text =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
    let is_todays = |text: &str| StoredHash::parse(text).unwrap().is_argon2id_with(&own());
    assert!(is_todays(text));
    for (part, other) in [
        ("argon2id", "argon2i"),
        ("argon2id", "argon2d"),
        ("v=19", "v=16"),
        ("v=19$", ""),
        ("m=19456", "m=19457"),
        ("t=2", "t=3"),
        ("p=1", "p=2"),
        (
            "bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
            "bQk8UB/VmZZF4Oo79iDXuA",
        ),
    ] {
        let other = text.replace(part, other);
        assert!(!is_todays(&other), "{other}");
    }
}

#[test]
fn what_is_no_hash_is_told_from_a_damaged_one() {
    let salt_and_hash = "c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
    for text in [
        "",
        "correct horse",
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "c2NyeXB0AQ==",
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
        "$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$pbkdf2-sha256$6400$0ZrzXitFSGltTQnBWOsdYw$Y11AchqV4b0sUisdZd0Xr97KWoymNE0LNNrnEgY4H9M",
        "argon2$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
    ] {
        assert_eq!(refused(text), HashError::UnknownForm, "{text}");
    }
    for text in [
        "$argon2id$".to_owned(),
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ".to_owned(),
        format!("$argon2id$v=19${salt_and_hash}"),
        format!("$argon2id$v=18$m=256,t=2,p=2${salt_and_hash}"),
        format!("$argon2id$v=19$m=256,t=2${salt_and_hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=2,p=2${salt_and_hash}"),
        format!("$argon2id$v=19$m=256,t=0,p=2${salt_and_hash}"),
        format!("$argon2id$v=19$m=7,t=1,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=2,keyid=Zm9v${salt_and_hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=2,data=Zm9v${salt_and_hash}"),
        format!("$argon2id$v=19$m=256,t=2,p=2${salt_and_hash}$"),
        format!("$argon2id$v=19$m=256,t=2,p=2${salt_and_hash}=="),
        format!("$argon2id$v=19$m=256,t=2,p=2${salt_and_hash}\n"),
        "$argon2id$v=19$m=256,t=2,p=2$c2FsdA$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"
            .to_owned(),
        format!("$scrypt$ln=10,r=8${salt_and_hash}"),
        format!("$scrypt$ln=0,r=8,p=1${salt_and_hash}"),
        format!("$scrypt$ln=64,r=8,p=1${salt_and_hash}"),
        format!("$scrypt$ln=10,r=4294967295,p=4294967295${salt_and_hash}"),
        format!("$scrypt$ln=10,r=8,p=0${salt_and_hash}"),
        format!("$scrypt$v=1$ln=10,r=8,p=1${salt_and_hash}"),
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe".to_owned(),
        "$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeä".to_owned(),
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        "$2b$xx$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
        SCRYPT_MODULAR.replace("SodiumChloride", "salt"),
        SCRYPT_MODULAR.replace("NJi7", "NJi"),
        SCRYPT_MODULAR.replace("NJi7", "NJiz"),
        SCRYPT_MODULAR.replace("NJi7", "NJ+7"),
        SCRYPT_MODULAR.replace("NJi7", "NJi7$"),
        SCRYPT_MODULAR.replace("86....", "8....."),
        SCRYPT_MODULAR.replace("86....", "86zzzz"),
        SCRYPT_MODULAR.replace("86....", "86+..."),
        "$7$86..../...".to_owned(),
        "$7$".to_owned(),
        SCRYPT_KDF.replace("owncg0", "owncg="),
        BASE64_STANDARD.encode(&BASE64_STANDARD.decode(SCRYPT_KDF).unwrap()[..95]),
        SCRYPT_KDF.replacen("AAoAAAAI", "AAoAAAAJ", 1),
        scrypt_kdf_with(64, 8, 1),
        scrypt_kdf_with(10, 0, 1),
    ] {
        let error = refused(&text);
        let damaged = matches!(error, HashError::Damaged(_)) || !text.starts_with('$');
        assert!(damaged, "{text}: {error}");
    }
}

#[test]
fn what_costs_too_much_is_refused_unless_our_own_cost_the_same() {
    let argon2 = |costs: &str| {
        format!("$argon2id$v=19${costs}$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc")
    };
    let scrypt = |costs: &str| {
        format!("$scrypt${costs}$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc")
    };
    let bcrypt = |cost| format!("$2b${cost}$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW");
    for text in [
        argon2("m=262144,t=4,p=1"),
        argon2("m=65536,t=16,p=4"),
        scrypt("ln=18,r=8,p=1"),
        scrypt("ln=14,r=8,p=16"),
        scrypt_kdf_with(18, 8, 1),
        SCRYPT_MODULAR.replace("$86", "$G6"),
        bcrypt("14"),
    ] {
        let hash = StoredHash::parse(&text).unwrap();
        assert_eq!(hash.ensure_affordable(&own()), Ok(()), "{text}");
    }
    for (text, error) in [
        (argon2("m=262145,t=1,p=1"), HashError::TooMuchMemory),
        (
            argon2("m=4294967295,t=4294967295,p=1"),
            HashError::TooMuchMemory,
        ),
        (argon2("m=262144,t=5,p=1"), HashError::TooManyPasses),
        (argon2("m=8,t=4294967295,p=1"), HashError::TooManyPasses),
        (scrypt("ln=19,r=8,p=1"), HashError::TooMuchMemory),
        (scrypt("ln=30,r=4096,p=4096"), HashError::TooMuchMemory),
        (scrypt("ln=18,r=8,p=2"), HashError::TooManyLanes),
        (
            SCRYPT_MODULAR.replace("$86", "$H6"),
            HashError::TooMuchMemory,
        ),
        (
            SCRYPT_MODULAR.replace("$86..../", "$C6....G"),
            HashError::TooManyLanes,
        ),
        (scrypt_kdf_with(20, 8, 1), HashError::TooMuchMemory),
        (scrypt_kdf_with(15, 8, 9), HashError::TooManyLanes),
        (bcrypt("15"), HashError::TooManyRounds),
        (bcrypt("31"), HashError::TooManyRounds),
    ] {
        assert_eq!(refused(&text), error, "{text}");
    }
    let costly = Params::new(1_048_576, 3, 1, Some(32)).unwrap();
    let hash = StoredHash::parse(&argon2("m=1048576,t=3,p=1")).unwrap();
    assert_eq!(hash.ensure_affordable(&costly), Ok(()));
    assert!(hash.ensure_affordable(&own()).is_err());
}
