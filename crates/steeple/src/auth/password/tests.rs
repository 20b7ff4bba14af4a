//! Hashes that Django 5.2.19 made, with argon2-cffi 25.1 and bcrypt 5.0.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "Zürich-Grüße 77 ✓";

const BY_DJANGO: [&str; 13] = [
    "pbkdf2_sha256$1000000$Wn3vHMTqDmtbCKpZ81sFaJ$jBU4j5RMhEiH1lCoUl/bdC4OyXevVLfXFoFpCc44XgY=",
    "pbkdf2_sha256$20000$seasalt2$3gCYB7tnEkE5tGCVet/y44bVRs8EdJn1GvGF2AS2gsA=",
    "pbkdf2_sha1$20000$Wn3vHMTqDmtbCKpZ81sFaJ$bX/zgLLIzvIK5F/OVEtqQxIG+kQ=",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$V24zdkhNVHFEbXRiQ0twWjgxc0ZhSg$UAvA6mxQmvQ4OZ9neuSj33gTFmG0kT5TcnygQM3xQFk",
    "argon2$argon2i$v=19$m=512,t=3,p=2$V24zdkhNVHFEbXRiQ0twWjgxc0ZhSg$s+/N1fNSe50fPr2z+lVx1Q",
    "argon2$argon2id$v=19$m=1024,t=1,p=1$c2Vhc2FsdDI$VEW6e10/Xsx3ZEWWJ7KK8DNKdrgK9/USo0GWZp9q2I0",
    "argon2$argon2i$v=16$m=512,t=2,p=2$V24zdkhNVHFEbXRiQ0twWjgxc0ZhSg$JJiCYglzagwABsOmoG6oUA",
    "argon2$argon2i$m=512,t=2,p=2$V24zdkhNVHFEbXRiQ0twWjgxc0ZhSg$JJiCYglzagwABsOmoG6oUA",
    "scrypt$16384$Wn3vHMTqDmtbCKpZ81sFaJ$8$5$LR0e/qz9KudtGaSpVTzmVKZ3yjjs+L+1fSgUI85uD5SZf2Wl50dze5kQXZBhtsLv0h5kwp1gptgfQgZC+mwDig==",
    "scrypt$1024$seasalt2$8$1$MBfPgAftsvBKB3sYdLBd5YHRoSBRPr5/5LwHZ2Hzv7Qukvi2PsNDHEnx+SvmDEMP2dW/jUbuLoedOx/7obC5Wg==",
    "bcrypt_sha256$$2b$05$DN70vDT/6gD8IUKia5ZcxO23.SjgWL.2uyOm..Ah5qu82AGEnyo4C",
    "bcrypt_sha256$$2b$12$lwmp71LK5PRiWauHXRSP0ufpKuQ1xMSVertVjROyVId2sr3RdXF/6",
    "bcrypt$$2b$05$fJD/bic3fHbLsfjLCTmMS.hDdDTwQpqwTU8WiphVTo2Q5pCoQP52a",
];

fn kept(text: &str) -> Encoded {
    Encoded(text.to_owned())
}

#[test]
fn what_django_hashed_matches_its_password_and_no_other() {
    for text in BY_DJANGO {
        assert_eq!(kept(text).check(PASSWORD), Some(true), "{text}");
        assert_eq!(kept(text).check("Zürich-Grüße 77"), Some(false), "{text}");
    }
    // bcrypt itself looks at 72 bytes.
    let long = kept("bcrypt$$2b$04$EoP1TB105aAOfFI3apxxcueBXoNDU.IJsg4shMmS8Kqf9miHdg8GO");
    assert_eq!(long.check(&"x".repeat(72)), Some(true));
    assert_eq!(long.check(&"x".repeat(71)), Some(false));
}

#[test]
fn what_is_written_here_reads_as_djangos_and_matches() {
    for (hasher, front) in
        [(Hasher::Argon2, "argon2$argon2id$v=19$m=102400,t=2,p=8$"), (Hasher::Pbkdf2Sha256, "pbkdf2_sha256$1000000$")]
    {
        let made = Encoded::make(PASSWORD, hasher).unwrap();
        assert!(made.0.starts_with(front) && made.0.len() <= 128, "{}", made.0);
        assert_eq!(made.check(PASSWORD), Some(true));
        assert_eq!(made.check(""), Some(false));
        assert!(made.is_usable() && !made.needs_upgrade(hasher));
        assert_ne!(made, Encoded::make(PASSWORD, hasher).unwrap(), "a salt of its own each time");
    }
}

#[test]
fn what_is_not_as_today_needs_an_upgrade() {
    let upgrades = |hasher| BY_DJANGO.map(|text| kept(text).needs_upgrade(hasher));
    let all_but = |own: usize| std::array::from_fn(|at| at != own);
    assert_eq!(upgrades(Hasher::Argon2), all_but(3));
    assert_eq!(upgrades(Hasher::Pbkdf2Sha256), all_but(0));
    // A short salt, as Django wrote it before 3.2.
    let short = "pbkdf2_sha256$1000000$seasalt2$3gCYB7tnEkE5tGCVet/y44bVRs8EdJn1GvGF2AS2gsA=";
    assert!(kept(short).needs_upgrade(Hasher::Pbkdf2Sha256));
}

#[test]
fn an_unusable_password_matches_nothing() {
    let unusable = Encoded::unusable().unwrap();
    assert_eq!(unusable.0.len(), 41);
    assert!(!unusable.is_usable());
    for guess in ["", "!", &unusable.0, &unusable.0[1..]] {
        assert_eq!(unusable.check(guess), None);
    }
    assert_eq!(kept("!").check("!"), None);
}

#[test]
fn a_hash_that_would_eat_the_machine_is_not_computed() {
    let (salt, hash) = ("V24zdkhNVHFEbXRiQ0twWjgxc0ZhSg", "UAvA6mxQmvQ4OZ9neuSj33gTFmG0kT5TcnygQM3xQFk");
    for costs in [
        "m=4294967295,t=2,p=8",
        "m=524289,t=1,p=1",
        "m=102400,t=4294967295,p=8",
        "m=102400,t=32,p=8",
        "m=102400,t=2,p=16777215",
        "m=102400,t=0,p=8",
        "m=0,t=2,p=8",
        "m=102400,t=2,p=0",
        "m=102400,t=2",
        "m=102400,t=2,p=8,keyid=AAAA",
        "m=99999999999999999999,t=2,p=8",
        "m=-1,t=2,p=8",
        "m=+1024,t=2,p=8",
    ] {
        assert_eq!(kept(&format!("argon2$argon2id$v=19${costs}${salt}${hash}")).check(PASSWORD), None, "{costs}");
    }
    let hash = "jBU4j5RMhEiH1lCoUl/bdC4OyXevVLfXFoFpCc44XgY=";
    for iterations in ["10000001", "4294967295", "4294967296", "0", "-1", "", "1e3", "1_000"] {
        assert_eq!(kept(&format!("pbkdf2_sha256${iterations}$salt${hash}")).check(PASSWORD), None, "{iterations}");
    }
    let hash = BY_DJANGO[8].rsplit('$').next().unwrap();
    for (rounds, block, lanes) in [
        ("16777216", "8", "1"),
        ("16384", "1024", "5"),
        ("16", "1024", "1024"),
        ("16384", "8", "1000"),
        ("16383", "8", "5"),
        ("1", "8", "5"),
        ("0", "8", "5"),
        ("16384", "0", "5"),
        ("99999999999", "8", "5"),
    ] {
        let text = format!("scrypt${rounds}$salt${block}${lanes}${hash}");
        assert_eq!(kept(&text).check(PASSWORD), None, "{text}");
    }
    for cost in ["16", "31", "99", "03"] {
        let text = BY_DJANGO[10].replace("$05$", &format!("${cost}$"));
        assert_ne!(kept(&text).check(PASSWORD), Some(true), "{text}");
    }
}

#[test]
fn what_is_no_hash_matches_nothing() {
    for text in [
        "",
        "$",
        "password",
        "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
        "argon2",
        "argon2$",
        "argon2$argon2d$v=19$m=64,t=1,p=1$V24zdkhNVHFEbXRiQ0twWjgxc0ZhSg$u+ATFttvlI1KNrpB8yqVwQ",
        "argon2$argon2id$v=19$m=1024,t=1,p=1$c2Vhc2FsdDI$",
        "argon2$argon2id$v=19$m=1024,t=1,p=1$$VEW6e10/Xsx3ZEWWJ7KK8DNKdrgK9/USo0GWZp9q2I0",
        "argon2$argon2id$v=18$m=1024,t=1,p=1$c2Vhc2FsdDI$VEW6e10/Xsx3ZEWWJ7KK8DNKdrgK9/USo0GWZp9q2I0",
        "pbkdf2_sha256$20000$$3gCYB7tnEkE5tGCVet/y44bVRs8EdJn1GvGF2AS2gsA=",
        "pbkdf2_sha256$20000$seasalt2$",
        "pbkdf2_sha256$20000$seasalt2$3gCY",
        "pbkdf2_sha1$20000$seasalt2$3gCYB7tnEkE5tGCVet/y44bVRs8EdJn1GvGF2AS2gsA=",
        "bcrypt$$2x$05$fJD/bic3fHbLsfjLCTmMS.hDdDTwQpqwTU8WiphVTo2Q5pCoQP52a",
        "bcrypt$",
        "bcrypt_sha256$$2b$05$ü",
    ] {
        assert_eq!(kept(text).check(PASSWORD), None, "{text}");
        assert!(kept(text).needs_upgrade(Hasher::Argon2), "{text}");
    }
}

#[test]
fn what_is_too_long_or_empty_is_not_hashed() {
    for password in [String::new(), "x".repeat(LONGEST + 1)] {
        assert!(Encoded::make(&password, Hasher::Argon2).is_err());
    }
    assert_eq!(kept(BY_DJANGO[1]).check(&"x".repeat(LONGEST + 1)), None);
}

#[test]
fn nothing_of_a_hash_is_shown() {
    assert_eq!(format!("{:?}", kept(BY_DJANGO[0])), "***");
}

#[test]
fn a_check_upgrades_what_is_right_and_old_only() {
    let check = |password: &str, text: &str| verify(password, Some(&kept(text)), Hasher::Argon2, true).unwrap();
    let Verdict::Right(Some(new)) = check(PASSWORD, BY_DJANGO[1]) else { panic!("upgraded") };
    assert!(!new.needs_upgrade(Hasher::Argon2));
    assert_eq!(new.check(PASSWORD), Some(true));
    assert!(matches!(check(PASSWORD, BY_DJANGO[3]), Verdict::Right(None)));
    assert!(matches!(check("wrong", BY_DJANGO[1]), Verdict::Wrong));
    assert!(matches!(verify(PASSWORD, None, Hasher::Argon2, true).unwrap(), Verdict::Wrong));
    let left = verify(PASSWORD, Some(&kept(BY_DJANGO[1])), Hasher::Argon2, false).unwrap();
    assert!(matches!(left, Verdict::Right(None)));
}

proptest! {
    #[test]
    fn a_cheap_hash_matches_its_password_only(password in "\\PC{1,60}", other in "\\PC{0,60}") {
        // Cheap, so that many can be tried: what is written here has no such parameters.
        let mut hash = [0; 32];
        ::pbkdf2::pbkdf2_hmac::<sha2::Sha256>(password.as_bytes(), b"salt", 1, &mut hash);
        let text = format!("pbkdf2_sha256$1$salt${}", BASE64.encode(hash));
        prop_assert_eq!(kept(&text).check(&password), Some(true));
        prop_assert_eq!(kept(&text).check(&other), Some(password == other));
    }

    #[test]
    fn any_text_may_stand_where_a_hash_should(
        front in "(argon2|argon2\\$argon2id|pbkdf2_sha256|pbkdf2_sha1|scrypt|bcrypt|bcrypt_sha256|)",
        rest in "[$0-9a-zA-Z=,/.+ü!]{0,80}",
    ) {
        // Neither a panic nor a match; expensive ones are refused, cheap ones are computed.
        prop_assert_ne!(kept(&format!("{front}${rest}")).check("x"), Some(true));
    }

    #[test]
    fn a_changed_hash_does_not_match(at in 0_usize..44, letter in "[A-Za-z0-9+/]") {
        let text = "pbkdf2_sha256$1000$seasalt2$VT39byyfD5fJB8jhIBcopUWWfeHXoTcByL99KHh5E10=";
        let start = text.rfind('$').unwrap() + 1;
        prop_assert_eq!(kept(text).check(PASSWORD), Some(true));
        let mut changed = text.to_owned();
        changed.replace_range(start + at..=start + at, &letter);
        prop_assume!(changed != text);
        prop_assert_ne!(kept(&changed).check(PASSWORD), Some(true));
    }
}
