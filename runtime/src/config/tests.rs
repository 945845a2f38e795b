//! Mistakes as users see them, and the documented files as they are read.
//!
//! Each `tests/config/NAME.toml` is a folder in one file: a line `#: parcels/pipeline.toml` begins the file of that name.
//! `NAME.err` is what is to be printed. Those in `tests/config/good` are right, and `NAME.plan` is what they mean.
//! `SLUICEGATE_BLESS=1 cargo test -p sluicegate --lib config::` writes the `.err` and `.plan` files anew; look at the difference
//! before you commit it.

use super::*;
use crate::change::Op;
use crate::sink::format::debezium;
use proptest::prelude::*;
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// What must never be printed.
const SECRETS: [&str; 5] = ["hunter2", "swordfish", "c2VzYW1l", "open-sesame", "6Xb/dCcHpPea"];

const SHARED: &str = "[source.erp]\nkind = \"postgres\"\nurl = \"${ERP_URL}\"\n";

fn env(name: &str) -> Option<String> {
    let value = match name {
        "ERP_URL" => "postgres://cdc:hunter2@db.example:5432/erp",
        "SHOP_URL" => "postgres://cdc:hunter2@db.example:5432/shop?sslmode=verify-full",
        "MYSQL_URL" => "mysql://cdc:hunter2@db.example",
        "BROKEN_URL" => "postgres://cdc:hunter2@db.example:x/erp",
        "CUSTOMERS_SECRET" => "whsec_c2VzYW1l",
        "SLUICEGATE_TOKEN" => "swordfish",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.into())
}

/// Writes the files that `#:` lines name; those before the first line are the pipeline's.
fn folder_of(case: &str) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = vec![("parcels/pipeline.toml", String::new())];
    for line in case.split_inclusive('\n') {
        match line.strip_prefix("#: ") {
            Some(name) => files.push((name.trim_end(), String::new())),
            None => files.last_mut().expect("never empty").1.push_str(line),
        }
    }
    if files.len() > 1 {
        files.remove(0);
    } else {
        files.push((HOST_FILE, SHARED.into()));
    }
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("inside the folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }
    folder
}

/// A library that knows all options but one.
fn librdkafka(name: &str, _: &str) -> Result<(), String> {
    let known = name != "queue.bufering.max.ms";
    known.then_some(()).ok_or_else(|| "did you mean \"queue.buffering.max.ms\"?".into())
}

/// Who knows the options of forms.
fn form(form: FormPlan, options: &[(String, String)]) -> Result<(), String> {
    match form {
        FormPlan::Envelope => Ok(()),
        FormPlan::Unwrap => debezium::Unwrap::parse(options).map(drop),
        FormPlan::Outbox => debezium::Outbox::parse(options).map(drop),
        FormPlan::CloudEvents => debezium::CloudEvents::parse(options).map(drop),
    }
}

const EXPERTS: Experts<'_> = Experts { librdkafka: &librdkafka, debezium: &debezium::check_option, form: &form };

fn mistakes_of(folder: &Path) -> String {
    let shown = load_with(folder, &env, EXPERTS).expect_err("a mistake").to_string();
    shown.replace(&folder.display().to_string(), "pipelines") + "\n"
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every case in a folder, by name.
fn cases_in(folder: &str) -> Vec<PathBuf> {
    let cases = repository(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&cases).expect("the cases").map(|e| e.expect("a case").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    paths
}

/// Says what is wrong if `found` is not what stands in the file.
fn held_against(expected_path: &Path, found: &str) -> Result<(), String> {
    if std::env::var_os("SLUICEGATE_BLESS").is_some() {
        fs::write(expected_path, found).expect("written");
    }
    let expected = fs::read_to_string(expected_path).unwrap_or_default();
    let wrong = || format!("{}\nexpected:\n{expected}\nfound:\n{found}", expected_path.display());
    (found == expected).then_some(()).ok_or_else(wrong)
}

#[test]
fn every_mistake_is_told_as_recorded() {
    let paths = cases_in("tests/config");
    assert!(paths.len() >= 47, "{} cases", paths.len());
    let mut wrong = Vec::new();
    for path in paths {
        let folder = folder_of(&fs::read_to_string(&path).expect("readable"));
        let found = mistakes_of(folder.path());
        for secret in SECRETS {
            assert!(!found.contains(secret), "{} shows {secret}:\n{found}", path.display());
        }
        wrong.extend(held_against(&path.with_extension("err"), &found).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_good_folder_means_what_is_recorded() {
    let paths = cases_in("tests/config/good");
    assert!(paths.len() >= 3, "{} cases", paths.len());
    for path in paths {
        let folder = folder_of(&fs::read_to_string(&path).expect("readable"));
        let plan = load_with(folder.path(), &env, EXPERTS).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let shown = format!("{:#?}\n{:#?}\n", plan.sources, plan.pipelines);
        for secret in SECRETS {
            assert!(!shown.contains(secret), "{} shows {secret}:\n{shown}", path.display());
        }
        let found = shown.replace(&folder.path().display().to_string(), "pipelines");
        held_against(&path.with_extension("plan"), &found).unwrap_or_else(|wrong| panic!("{wrong}"));
    }
}

/// The files that the reference shows under `root`, as a case.
fn documented(root: &str) -> String {
    let document = fs::read_to_string(repository("../docs/configuration.md")).expect("the reference");
    let blocks = document.split("```toml\n").skip(1).filter_map(|rest| rest.split_once("```")).map(|(block, _)| block);
    let files = blocks.filter_map(|block| block.strip_prefix(&format!("# {root}/")));
    files.map(|file| format!("#: {file}")).collect()
}

fn plan_of(case: &str) -> Plan {
    let env = |name: &str| env(name).or((name == "CUSTOMERS_TOKEN").then(|| "open-sesame".into()));
    let folder = folder_of(case);
    let plan = load(folder.path(), &env).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let shown = format!("{plan:?}");
    for secret in SECRETS {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    // The folder is another one every time.
    let state = plan.host.state.strip_prefix(folder.path()).map(Path::to_path_buf).unwrap_or(plan.host.state);
    Plan { host: Host { state, ..plan.host }, ..plan }
}

fn http(member: &MemberPlan) -> &HttpPlan {
    match &member.door {
        Door::Http(http) => http,
        other => panic!("an HTTP API rather than {other:?}"),
    }
}

#[test]
fn documented_file_says_the_defaults() {
    let (all, least) = (plan_of(&documented("pipelines")), plan_of(&documented("smallest")));
    assert_eq!(Host { token: None, ..all.host.clone() }, least.host);
    assert_eq!(all.host.token, Some(Secret::new("swordfish")));
    assert_eq!(least.host.admin.to_string(), "127.0.0.1:8900");
    assert_eq!((least.host.drain, least.host.memory), (Duration::from_secs(10), 256 << 20));
    assert_eq!(all.sources, least.sources);

    let (all, least) = (&all.pipelines[0], &least.pipelines[0]);
    assert_eq!(
        (all.name.as_str(), all.on_error, all.sources.clone()),
        ("parcels", least.on_error, least.sources.clone())
    );
    assert_eq!(all.tables, least.tables);
    assert!(all.tables.matches("erp", "public.package_status") && !all.tables.matches("erp", "public.other"));
    assert!(least.columns.captures("a", "b", "c") && all.columns.captures("a", "b", "c"));
    assert!(!all.columns.captures("public", "package_status", "remark"));
    assert_eq!(all.guests[0].limits, LimitsPlan::default());
    let config = [("skip".into(), "Package Posted".into()), ("depots".into(), "[1,2]".into())];
    assert_eq!(all.guests[0].config, config);

    let default = &least.targets[0].members[0];
    assert!(!least.targets[0].is_set() && all.targets[0].is_set());
    let [first, second] = all.targets[0].members.as_slice() else { panic!("two members") };
    let (said, unsaid) = (http(first), http(default));
    let door = HttpPlan { url: unsaid.url.clone(), sign: Vec::new(), headers: Vec::new(), ..said.clone() };
    let spoken = MemberPlan { name: String::new(), rate: None, door: Door::Http(door), ..first.clone() };
    assert_eq!(&spoken, default);
    assert_eq!(first.rate, Some(100));
    assert_eq!((first.name.as_str(), said.sign.len(), said.headers.len()), ("1", 1, 1));
    assert_eq!(second.timeout, Duration::from_secs(40));

    let (all, least) = (&all.routes[0], &least.routes[0]);
    assert_eq!((&all.body, all.only_named), (&least.body, least.only_named));
    let method = |route: &RoutePlan| match &route.shape {
        ShapePlan::Request { method, .. } => method.clone(),
        other => panic!("a request rather than {other:?}"),
    };
    assert_eq!(method(all), method(least));
    for op in [Op::Insert, Op::Update, Op::Delete, Op::Truncate, Op::Read] {
        assert!(all.takes("public.package_status", op) && least.takes("public.package_status", op));
    }
}

#[test]
fn documented_files_of_the_other_kinds_say_the_defaults() {
    let (all, least) = (plan_of(&documented("everywhere")), plan_of(&documented("sparse")));
    assert_eq!(all.sources, least.sources);
    let (all, least) = (&all.pipelines[0], &least.pipelines[0]);
    assert_eq!((&all.targets, all.skip_unchanged), (&least.targets, least.skip_unchanged));
    assert!(all.tables.matches("shop", "shop.item") && !all.tables.matches("shop", "shop.items"));
    let [records, items, changes] = all.routes.as_slice() else { panic!("three routes") };
    let [plain, plain_items, plain_changes] = least.routes.as_slice() else { panic!("three routes") };
    assert_eq!(items, plain_items);
    let uncut = |route: &RoutePlan| match &route.shape {
        ShapePlan::Stream { stream, .. } => ShapePlan::Stream { stream: stream.clone(), max_len: None },
        other => panic!("a stream rather than {other:?}"),
    };
    assert_eq!(&RoutePlan { shape: uncut(changes), ..changes.clone() }, plain_changes);
    let record = |route: &RoutePlan| match &route.shape {
        ShapePlan::Record { prefix, tombstones, .. } => (prefix.clone().unwrap_or("shop".into()), *tombstones),
        other => panic!("a record rather than {other:?}"),
    };
    assert_eq!(record(records), record(plain));
    let BodyPlan::Debezium(debezium) = &records.body else { panic!("as Debezium writes it") };
    assert_eq!((debezium.schemas, debezium.options.len()), (DebeziumPlan::default().schemas, 1));
}

#[test]
fn every_key_is_in_the_reference() {
    let document = fs::read_to_string(repository("../docs/configuration.md")).expect("the reference");
    let host = format!(
        "zzz = 1\n[host]\nzzz = 1\n{SHARED}zzz = 1\n[source.shop]\nkind = \"mysql\"\nurl = \"mysql://me@db\"\nzzz = 1\n"
    );
    let pipeline = "zzz = 1\nsources = [\"erp\"]\ntables = [\"a.b\"]\ncolumns.zzz = 1\n\
        [guest.g]\nzzz = 1\nlimits.zzz = 1\n[target.t]\nkind = \"http\"\nzzz = 1\nretry.zzz = 1\nmember.1 = { url = \"http://a\", zzz = 1 }\n\
        member.2 = { url = \"http://a\", basic = { user = \"a\", password = \"b\", zzz = 1 } }\n\
        member.3 = { url = \"http://a\", oauth2 = { token_url = \"http://a\", client_id = \"a\", client_secret = \"b\", zzz = 1 } }\n\
        [target.k]\nkind = \"kafka\"\nbrokers = \"a:1\"\nzzz = 1\ntopics.zzz = 1\nregistry = { url = \"http://a\", zzz = 1 }\n\
        [target.c]\nkind = \"redis\"\nurl = \"redis://a\"\nzzz = 1\n\
        [[route]]\nname = \"r\"\nto = \"t\"\nmember = \"1\"\nzzz = 1\n\
        [[route]]\nname = \"k\"\nto = \"k\"\nzzz = 1\n\
        [[route]]\nname = \"d\"\nto = \"k\"\nbody = \"debezium\"\ndebezium.zzz = 1\n\
        [[route]]\nname = \"u\"\nto = \"k\"\nbody = \"unwrap\"\nunwrap.zzz = 1\n\
        [[route]]\nname = \"o\"\nto = \"k\"\nbody = \"outbox\"\noutbox.zzz = 1\n\
        [[route]]\nname = \"e\"\nto = \"k\"\nbody = \"cloudevents\"\ncloudevents.zzz = 1\n\
        [[route]]\nname = \"c\"\nto = \"c\"\nkey = \"x\"\nzzz = 1\n\
        [[route]]\nname = \"s\"\nto = \"c\"\nas = \"stream\"\nstream = \"x\"\nzzz = 1\n\
        [[route]]\nname = \"p\"\nto = \"c\"\nas = \"publish\"\nchannel = \"x\"\nzzz = 1\n\
        [[route]]\nname = \"l\"\nto = \"c\"\nas = \"list\"\nlist = \"x\"\nzzz = 1\n";
    let folder = folder_of(&format!("#: {HOST_FILE}\n{host}#: parcels/{PIPELINE_FILE}\n{pipeline}"));
    let mistakes = load(folder.path(), &env).expect_err("unknown keys");
    assert_eq!(mistakes.len(), 27, "{mistakes}");
    for mistake in mistakes.iter() {
        let (_, keys) =
            mistake.remedy.split_once("keys here are: ").or(mistake.remedy.split_once("there are: ")).expect("listed");
        for key in keys.split(", ") {
            let written =
                [format!("`{key}`"), format!(".{key}`"), format!("`{key}."), format!("`[{key}]"), format!("`[{key}.")];
            assert!(written.iter().any(|key| document.contains(key)), "{key} of {}", mistake.subject);
        }
    }
}

#[test]
fn member_overrides_what_its_target_says() {
    let plan = plan_of(
        "sources = [\"erp\"]\ntables.erp = [\"public.*\"]\n[target.t]\nkind = \"http\"\ntimeout = \"2s\"\n\
         sign = [\"a\", \"b\"]\nheaders = { X-A = \"1\", X-B = \"2\" }\nretry = { first = \"2s\", max = \"5s\" }\n\
         [target.t.member.1]\nurl = \"http://one\"\n[target.t.member.2]\nurl = \"http://two\"\ntimeout = \"500 ms\"\nsign = \"c\"\n\
         memory = 65536\nheaders = { x-a = \"3\" }\nretry = { max = \"9s\" }\nconcurrency = 1\n\
         [[route]]\nname = \"r\"\nto = \"t\"\nmember = \"2\"\n",
    );
    let [one, two] = plan.pipelines[0].targets[0].members.as_slice() else { panic!("two members") };
    assert_eq!(one.timeout, Duration::from_secs(2));
    assert_eq!((http(one).sign.len(), one.concurrency, one.memory), (2, 16, 8 << 20));
    assert_eq!(two.timeout, Duration::from_millis(500));
    assert_eq!((http(two).sign.as_slice(), two.concurrency, two.memory), ([Secret::new("c")].as_slice(), 1, 65_536));
    let headers: Vec<_> = http(two).headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
    assert_eq!(headers, [("X-B", "2"), ("x-a", "3")]);
    let give_up_after = Duration::from_secs(3 * 86_400);
    let retry = RetryPlan { first: Duration::from_secs(2), max: Duration::from_secs(9), give_up_after };
    assert_eq!(two.retry, retry);
}

#[test]
fn shared_target_goes_to_the_pipelines_that_use_it() {
    let pipeline = |to: &str| {
        format!(
            "sources = [\"erp\"]\ntables = [\"a.b\"]\n[target.own]\nkind = \"http\"\nurl = \"http://own\"\n\
             [[route]]\nname = \"r\"\nto = \"{to}\"\n"
        )
    };
    let case = format!(
        "#: {HOST_FILE}\n{SHARED}[target.shared]\nkind = \"http\"\nurl = \"http://shared\"\n\
         #: a/{PIPELINE_FILE}\n{}#: b/{PIPELINE_FILE}\n{}#: .hidden/{PIPELINE_FILE}\nnot read\n#: none/other.toml\n",
        pipeline("shared"),
        pipeline("own")
    );
    let plan = plan_of(&case);
    let names = |at: usize| plan.pipelines[at].targets.iter().map(|t| t.name.as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["own", "shared"], vec!["own"]));
    assert_eq!(plan.files.len(), 3);
}

#[test]
fn members_can_have_a_file_of_their_own() {
    let case = format!(
        "#: {HOST_FILE}\n{SHARED}#: parcels/{PIPELINE_FILE}\nsources = [\"erp\"]\ntables = [\"a.b\"]\n\
         [target.t]\nkind = \"http\"\nmembers = \"sub/members.toml\"\n[[route]]\nname = \"r\"\nto = \"t\"\nmember = \"{{id}}\"\n\
         #: parcels/sub/members.toml\n1 = {{ url = \"http://one\" }}\n[two]\nurl = \"http://two\"\ntimeout = \"1s\"\n"
    );
    let plan = plan_of(&case);
    let members = &plan.pipelines[0].targets[0].members;
    assert_eq!(members.iter().map(|m| m.name.as_str()).collect::<Vec<_>>(), ["1", "two"]);
    assert_eq!(members[1].timeout, Duration::from_secs(1));
    assert!(plan.files.iter().any(|file| file.ends_with("sub/members.toml")));
}

#[test]
fn database_address_is_what_the_driver_reads() {
    let pipeline = "sources = [\"a\"]\ntables = [\"a.b\"]\n[target.t]\nkind = \"http\"\nurl = \"http://t\"\n[[route]]\nname = \"r\"\nto = \"t\"\n";
    let plan = plan_of(&format!(
        "#: ca.pem\n-----BEGIN CERTIFICATE-----\n#: {HOST_FILE}\n[source.a]\nkind = \"postgres\"\n\
         url = \"postgresql://me:p%40ss@db/erp?sslmode=verify-ca&application_name=x&sslrootcert=c%61.pem\"\n\
         [source.b]\nkind = \"postgres\"\nurl = \"postgres://me@/erp?host=/run/pg&port=5433\"\nslot = \"b\"\n\
         #: parcels/{PIPELINE_FILE}\n{pipeline}"
    ));
    let [SourceKind::Postgres(a), SourceKind::Postgres(b)] = [&plan.sources[0].kind, &plan.sources[1].kind] else {
        panic!("two of PostgreSQL")
    };
    assert_eq!((a.sslmode, b.sslmode), (SslMode::VerifyCa, SslMode::Prefer));
    assert!(a.sslrootcert.as_ref().is_some_and(|path| path.ends_with("ca.pem")));
    assert_eq!(a.url.expose(), "postgresql://me:p%40ss@db/erp?application_name=x");
    assert_eq!((a.slot.as_str(), b.slot.as_str(), b.publication.as_str()), ("sluicegate_a", "b", "sluicegate_b"));
    let config: tokio_postgres::Config = b.url.expose().parse().expect("the driver reads it");
    assert_eq!(
        (config.get_user(), config.get_dbname(), config.get_ports()),
        (Some("me"), Some("erp"), [5433].as_slice())
    );
}

#[test]
fn values_of_guests_become_text() {
    let plan = plan_of(
        "sources = [\"erp\"]\ntables = [\"a.b\"]\n[guest.g.config]\na = 1.5\nb = true\nc = 2026-01-02\nd = \"${SLUICEGATE_TOKEN}\"\n\
         e = { x = [1, \"$${y}\"], at = 07:32:00 }\nf = -3\n[[guest.g.config.g]]\nn = 1\n\
         [target.t]\nkind = \"http\"\nurl = \"http://t\"\n[[route]]\nname = \"r\"\nto = \"t\"\n",
    );
    let texts: Vec<&str> = plan.pipelines[0].guests[0].config.iter().map(|(_, text)| text.as_str()).collect();
    let nested = r#"{"at":"07:32:00","x":[1,"${y}"]}"#;
    assert_eq!(texts, ["1.5", "true", "2026-01-02", "swordfish", nested, "-3", r#"[{"n":1}]"#]);
}

#[test]
fn folder_that_is_missing_is_one_mistake() {
    let folder = folder_of("");
    let missing = folder.path().join("pipelins");
    assert_eq!(load(&missing, &env).expect_err("missing").len(), 1);
    let file = folder.path().join(HOST_FILE);
    let mistakes = load(&file, &env).expect_err("a file").to_string();
    assert!(mistakes.contains("this is a file, not a folder"), "{mistakes}");
}

#[test]
fn file_that_is_no_text_or_too_long_is_a_mistake() {
    let folder = folder_of("");
    let path = folder.path().join("parcels").join(PIPELINE_FILE);
    fs::write(&path, b"about = \"x\"\nsources = \"\xff\"\n").expect("written");
    assert!(mistakes_of(folder.path()).contains("line 2 is not UTF-8"));
    fs::write(&path, vec![b'#'; TOML_LEN_MAX as usize + 1]).expect("written");
    assert!(mistakes_of(folder.path()).contains("the file is longer than 1 MiB"));
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    assert!(mistakes_of(folder.path()).contains("this is not a file"));
}

#[test]
fn windows_text_is_text() {
    let case = documented("smallest").replace('\n', "\r\n").replace("toml\r\n", "toml\n");
    let pipeline = case.replacen("pipeline.toml\n", "pipeline.toml\n\u{feff}", 1);
    assert_eq!(plan_of(&pipeline).pipelines[0].routes[0].to, "events");
}

#[test]
fn deep_nesting_is_refused_rather_than_followed() {
    let folder = folder_of("");
    let path = folder.path().join("parcels").join(PIPELINE_FILE);
    let deep = ["[".repeat(100_000), "{a=".repeat(100_000), "a.".repeat(100_000)];
    for deep in deep {
        for text in [
            format!("a = {deep}"),
            format!("{deep}a = 1"),
            format!("[{deep}a]"),
            format!("[guest.g]\nconfig.{deep}a = 1"),
        ] {
            fs::write(&path, text).expect("written");
            assert!(!load(folder.path(), &env).expect_err("a mistake").is_empty());
        }
    }
}

/// A documented file with a piece of it replaced by something that is TOML, but rarely here.
fn spoilt() -> impl Strategy<Value = String> {
    const PIECES: [&str; 16] =
        ["", "\"", "{", "}", "[", "]", "=", "${", "{x}", "-1", "[[route]]\n", "\n", "member = 1\n", "nan", "é", "'''"];
    (any::<prop::sample::Index>(), 0_usize..24, prop::sample::select(&PIECES[..])).prop_map(|(at, len, piece)| {
        let case = documented("pipelines");
        let chars: Vec<char> = case.chars().collect();
        let at = at.index(chars.len());
        let before: String = chars[..at].iter().collect();
        let after: String = chars[(at + len).min(chars.len())..].iter().collect();
        format!("{before}{piece}{after}")
    })
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>(), host in any::<bool>()) {
        let folder = folder_of("");
        let path = if host { HOST_FILE.into() } else { format!("parcels/{PIPELINE_FILE}") };
        fs::write(folder.path().join(path), bytes).expect("written");
        if let Err(mistakes) = load(folder.path(), &env) {
            prop_assert!(!mistakes.is_empty() && mistakes.to_string().contains("mistake"));
        }
    }

    #[test]
    fn spoilt_files_are_read_or_refused_without_showing_secrets(case in spoilt()) {
        // A piece can fall on the line that begins a file; then that file is another one, or part of the one before.
        prop_assume!(case.matches("#: ").count() == 2 && case.contains("\n#: parcels/pipeline.toml\n"));
        prop_assume!(case.starts_with("#: sluicegate.toml\n"));
        let folder = folder_of(&case);
        if let Err(mistakes) = load(folder.path(), &env) {
            let shown = mistakes.to_string();
            prop_assert!(!mistakes.is_empty() && SECRETS.iter().all(|secret| !shown.contains(secret)));
        }
    }
}
