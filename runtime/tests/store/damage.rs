//! Two hundred damaged images of a state, from seeds: each opens with exactly what was committed, or is reported; none is short in
//! silence. What is reported can be salvaged, and what is saved is whole.

use crate::history::{Image, Past, Said, Step, image, said, write};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sluicegate::store::{SqliteStore, StoreError};
use std::collections::BTreeSet;
use std::fmt::Write;

const IMAGES: u64 = 200;
/// Steps of each of the three lives of the state that is damaged.
const STEPS: usize = 90;
const PAGE: usize = 4_096;
const SECTOR: usize = 512;
/// Rows of a page, at most: none is shorter than 300 bytes.
const ROWS_OF_PAGE_MAX: usize = 14;

/// A state at the end of its past.
struct Base {
    image: Image,
    /// The same files, earlier.
    older: Image,
    /// What it may say when it is opened: the last one, or what was before it and after the last that survives a loss of power.
    committed: Vec<Said>,
    /// What it said at any time.
    ever: Vec<Said>,
}

/// Two lives that are in the database, and one that is in its log, or in the database too.
async fn bases() -> [Base; 2] {
    let folder = tempfile::tempdir().expect("a folder");
    let mut past = Past::new(1);
    let mut ever = Vec::new();
    let mut images = Vec::new();
    for life in 0..3 {
        let store = SqliteStore::open(folder.path()).expect("open");
        let mut promised = ever.len();
        for n in 0..STEPS {
            let step = past.step(&store).await;
            ever.push(said(&store).await.expect("whole"));
            if step == Step::Power {
                promised = ever.len() - 1;
            }
            if n == STEPS / 2 {
                images.push(image(folder.path()));
            }
        }
        if life == 2 {
            images.push(image(folder.path()));
            drop(store);
            images.push(image(folder.path()));
            let committed = ever[promised..].to_vec();
            let last = vec![ever[ever.len() - 1].clone()];
            let [earlier, _, half, open, closed] = images.try_into().expect("five images");
            let in_log = Base { image: open, older: half, committed, ever: ever.clone() };
            return [in_log, Base { image: closed, older: earlier, committed: last, ever }];
        }
    }
    unreachable!("the third life is the last")
}

/// What was done to an image.
struct Damage {
    what: String,
    /// Pages of the database that are not what they were.
    pages: BTreeSet<usize>,
    is_cut: bool,
    in_log: bool,
}

/// Draws a damage and does it.
fn damage(base: &Base, seed: u64) -> (Image, Damage) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut image = base.image.clone();
    let mut done = Damage { what: String::new(), pages: BTreeSet::new(), is_cut: false, in_log: false };
    let files: Vec<&str> = image.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(name, _)| *name).collect();
    // The seal is small, and seldom hit.
    let file = loop {
        let file = files[random.random_range(0..files.len())];
        if file != "state.seal" || random.random_bool(0.2) {
            break file;
        }
    };
    let older = base.older.get(file).cloned().unwrap_or_default();
    let bytes = image.get_mut(file).expect("a file of the image");
    let kind = random.random_range(0..9);
    let mut hit = BTreeSet::new();
    match kind {
        0 => {
            bytes.truncate(random.random_range(0..bytes.len()));
            done.is_cut = true;
        }
        1..3 => {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len() / SECTOR) * SECTOR;
                bytes[at..at + SECTOR].fill(0);
                hit.insert(at / PAGE);
            }
        }
        3..5 => {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len() / SECTOR) * SECTOR;
                if let Some(stale) = older.get(at..at + SECTOR) {
                    bytes[at..at + SECTOR].copy_from_slice(stale);
                    hit.insert(at / PAGE);
                }
            }
        }
        5..8 => {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
                hit.insert(at / PAGE);
            }
        }
        _ => {
            image.remove(file);
            done.is_cut = true;
        }
    }
    done.in_log = file == "state.db-wal";
    if file == "state.db" {
        done.pages = hit;
    }
    write!(done.what, "kind {kind} in {file}, pages {:?}", done.pages).expect("a string takes any length");
    (image, done)
}

/// Whether losing this page loses only what is on it. The first page is made anew, others lead to many.
fn is_leaf(image: &Image, page: usize) -> bool {
    let kind = image["state.db"][page * PAGE];
    page == 0 || !matches!(kind, 2 | 5)
}

async fn look(base: &Base, seed: u64) -> Result<&'static str, String> {
    let (image, damage) = damage(base, seed);
    let folder = tempfile::tempdir().expect("a folder");
    write(&image, folder.path());
    let at = |what: String| format!("{}: {what}", damage.what);
    let findings = match SqliteStore::open(folder.path()) {
        Ok(store) => {
            let now = said(&store).await.map_err(|error| at(format!("it opened, and then {error}")))?;
            let is_committed = base.committed.contains(&now);
            return if is_committed { Ok("opened") } else { Err(at("it opened with something else".into())) };
        }
        Err(StoreError::Damaged { findings, .. }) => findings,
        Err(other) => return Err(at(format!("it was refused with {other}"))),
    };
    if findings.is_empty() || findings.iter().any(String::is_empty) {
        return Err(at("it was reported without a word".into()));
    }
    let report =
        SqliteStore::salvage(folder.path()).map_err(|error| at(format!("{findings:?}, not salvaged: {error}")))?;
    let aside = report.aside.clone().ok_or_else(|| at("nothing was moved aside".into()))?;
    for (name, bytes) in &image {
        // To look at a damaged log may not change it.
        let kept = std::fs::read(aside.join(name)).map_err(|error| at(format!("{name} was not moved: {error}")))?;
        if &kept != bytes {
            return Err(at(format!("{name} is not what it was")));
        }
    }
    let store = SqliteStore::open(folder.path()).map_err(|error| at(format!("salvaged, and then {error}")))?;
    let now = said(&store).await.map_err(|error| at(format!("salvaged, and then {error}")))?;
    judge(base, &damage, &image, &now).map_err(|wrong| at(format!("{wrong}; {findings:?}; {report}")))?;
    Ok("salvaged")
}

fn judge(base: &Base, damage: &Damage, image: &Image, now: &Said) -> Result<(), String> {
    let is_genuine = |test: &dyn Fn(&Said) -> bool| base.ever.iter().any(test);
    for (at, message) in &now.parked {
        if !is_genuine(&|said| said.parked.get(at) == Some(message)) {
            return Err(format!("parked message {at:?} was made up"));
        }
    }
    for (at, letter) in &now.dead {
        if !is_genuine(&|said| said.dead.get(at) == Some(letter)) {
            return Err(format!("dead letter {at:?} was made up"));
        }
    }
    for (source, position) in &now.checkpoints {
        if !is_genuine(&|said| said.checkpoints.get(source) == Some(position)) {
            return Err(format!("the checkpoint of {source} was made up"));
        }
    }
    if damage.in_log && !base.ever.contains(now) {
        return Err("of a log there is a part that was never a whole".into());
    }
    let leaves = image.contains_key("state.db") && damage.pages.iter().all(|page| is_leaf(&base.image, *page));
    if !damage.in_log && !damage.is_cut && leaves {
        let whole = &base.committed[base.committed.len() - 1];
        let lost = |is_lost: usize, what| match is_lost > ROWS_OF_PAGE_MAX * damage.pages.len() {
            true => Err(format!("{is_lost} {what} are lost")),
            false => Ok(()),
        };
        lost(whole.parked.keys().filter(|at| !now.parked.contains_key(*at)).count(), "parked messages")?;
        lost(whole.dead.keys().filter(|at| !now.dead.contains_key(*at)).count(), "dead letters")?;
    }
    Ok(())
}

#[tokio::test]
async fn damaged_images_open_as_committed_or_are_reported_and_salvaged() {
    let bases = bases().await;
    let seeds = match std::env::var("SLUICEGATE_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("SLUICEGATE_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..IMAGES,
    };
    let (mut broken, mut opened, mut salvaged) = (Vec::new(), 0, 0);
    for seed in seeds.clone() {
        match look(&bases[seed as usize % 2], seed).await {
            Ok("opened") => opened += 1,
            Ok(_) => salvaged += 1,
            Err(wrong) => broken.push(format!(
                "{wrong}\nrepeat it: SLUICEGATE_SEED={seed} cargo test -p sluicegate --test store damaged_images"
            )),
        }
    }
    println!("{opened} opened with what was committed, {salvaged} were reported and salvaged");
    assert!(broken.is_empty(), "{} of {seeds:?}:\n{}", broken.len(), broken.join("\n"));
    if seeds.end - seeds.start == IMAGES {
        assert!(opened > 10 && salvaged > 50, "{opened} opened, {salvaged} salvaged: that is no damage");
    }
}

#[tokio::test]
async fn state_that_is_whole_is_not_salvaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path()).expect("open");
    let mut past = Past::new(2);
    for _ in 0..30 {
        past.step(&store).await;
    }
    let before = said(&store).await.expect("whole");
    // As a crash leaves it.
    let crashed = tempfile::tempdir().expect("a folder");
    write(&image(folder.path()), crashed.path());
    let report = SqliteStore::salvage(crashed.path()).expect("looked at");
    assert_eq!(report.aside, None, "{report}");
    let store = SqliteStore::open(crashed.path()).expect("open");
    assert_eq!(said(&store).await.expect("whole"), before);
}

#[tokio::test]
async fn state_that_vanished_is_missed_by_its_seal() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path()).expect("open");
    let mut past = Past::new(3);
    for _ in 0..30 {
        past.step(&store).await;
    }
    drop(store);
    std::fs::remove_file(folder.path().join("state.db")).expect("remove");
    let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(refused.contains("it is gone or empty, though transaction") && refused.contains("salvage"), "{refused}");
    let report = SqliteStore::salvage(folder.path()).expect("salvaged");
    assert_eq!((report.parked, report.checkpoints), (0, 0), "{report}");
    assert!(report.to_string().contains("all of it is lost"), "{report}");
    SqliteStore::open(folder.path()).expect("open");
}

#[tokio::test]
async fn interrupted_salvage_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path()).expect("open");
    let mut past = Past::new(4);
    for _ in 0..30 {
        past.step(&store).await;
    }
    let before = said(&store).await.expect("whole");
    drop(store);
    // It was complete, and the old files were moved.
    let path = |name| folder.path().join(name);
    std::fs::rename(path("state.db"), path("salvaged.db")).expect("rename");
    let refused = SqliteStore::open(folder.path()).err().expect("refused").to_string();
    assert!(refused.contains("a salvage of it was interrupted"), "{refused}");
    let report = SqliteStore::salvage(folder.path()).expect("salvaged");
    assert_eq!(report.parked, before.parked.len() as u64, "{report}");
    let store = SqliteStore::open(folder.path()).expect("open");
    assert_eq!(said(&store).await.expect("whole"), before);
}
