//! A folder of recordings: `<database>/<scenario>.sql`, and beside it what was recorded.
//!
//! | file | is |
//! |---|---|
//! | `NAME.plain.jsonl`, `NAME.schemas.jsonl` | streamed, without and with schemas in the records |
//! | `NAME.tx.*` | the same with transaction metadata |
//! | `NAME.snapshot.*` | the initial snapshot |
//! | `NAME.modesN.*` | the same with other handling modes |

use super::script::Script;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Whose log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flavour {
    Postgres,
    Mysql,
    Mariadb,
}

impl Flavour {
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Mysql, Self::Mariadb];

    /// The name of its folder, and of Debezium's connector but for one syllable.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
        }
    }
}

/// Statements, and what was recorded of them.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub flavour: Flavour,
    /// `postgres/types`
    pub name: String,
    pub script: Script,
    pub recordings: Vec<Recording>,
}

/// One file of records.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    pub path: PathBuf,
    /// What stands between the scenario's name and the form: nothing, `tx`, `snapshot`, `modes1`.
    pub variant: String,
    /// Whether each record carries its schema.
    pub schemas: bool,
}

impl Recording {
    /// `modes1.plain`
    pub fn name(&self) -> String {
        let form = if self.schemas { "schemas" } else { "plain" };
        if self.variant.is_empty() { form.to_owned() } else { format!("{}.{form}", self.variant) }
    }
}

/// Everything in `folder` whose `database/scenario.recording` fits `only`; in the order of databases and names.
///
/// # Errors
/// If a file can not be read, or nothing fits.
pub fn scenarios(folder: &Path, only: Option<&str>) -> Result<Vec<Scenario>> {
    let mut all = Vec::new();
    for flavour in Flavour::ALL {
        let place = folder.join(flavour.folder());
        if !place.is_dir() {
            continue;
        }
        let files = names(&place)?;
        for scenario in files.iter().filter_map(|file| file.strip_suffix(".sql")) {
            let name = format!("{}/{scenario}", flavour.folder());
            let fits = |recording: &Recording| {
                only.is_none_or(|only| fits(only, &name) || fits(only, &format!("{name}.{}", recording.name())))
            };
            let found = files.iter().filter_map(|file| recording(&place, file, scenario));
            let recordings: Vec<Recording> = found.filter(fits).collect();
            if recordings.is_empty() {
                continue;
            }
            let path = place.join(format!("{scenario}.sql"));
            let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            let script = Script::read(&text, flavour).with_context(|| format!("read {}", path.display()))?;
            all.push(Scenario { flavour, name, script, recordings });
        }
    }
    if all.is_empty() {
        let wanted = only.map_or(String::new(), |only| format!(" that fits {only:?}"));
        bail!(
            "there is no recording{wanted} in {}; it holds {} with SCENARIO.sql and SCENARIO.plain.jsonl in them",
            folder.display(),
            Flavour::ALL.map(Flavour::folder).join("/, ") + "/"
        );
    }
    Ok(all)
}

fn names(place: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(place).with_context(|| format!("list {}", place.display()))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn recording(place: &Path, file: &str, scenario: &str) -> Option<Recording> {
    let middle = file.strip_prefix(scenario)?.strip_prefix('.')?.strip_suffix(".jsonl")?;
    let (variant, form) = middle.rsplit_once('.').unwrap_or(("", middle));
    let schemas = match form {
        "plain" => false,
        "schemas" => true,
        _ => return None,
    };
    Some(Recording { path: place.join(file), variant: variant.to_owned(), schemas })
}

/// `*` is any text, `?` one character.
fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.chars().next(), name.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => fits(&pattern[1..], name) || next(name).is_some_and(|rest| fits(pattern, rest)),
        (Some('?'), Some(_)) => next(name).is_some_and(|rest| fits(&pattern[1..], rest)),
        (Some(wanted), Some(found)) if wanted == found => {
            next(name).is_some_and(|rest| fits(&pattern[wanted.len_utf8()..], rest))
        }
        _ => false,
    }
}

fn next(text: &str) -> Option<&str> {
    let mut signs = text.chars();
    signs.next().map(|_| signs.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_belong_to_the_scenario_of_exactly_their_name() {
        let found = |file| recording(Path::new("p"), file, "ddl").map(|recording| recording.name());
        assert_eq!(found("ddl.plain.jsonl").as_deref(), Some("plain"));
        assert_eq!(found("ddl.modes1.schemas.jsonl").as_deref(), Some("modes1.schemas"));
        assert_eq!(found("ddl_burst.plain.jsonl"), None);
        assert_eq!(found("ddl.sql"), None);
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name, does) in [
            ("postgres/types*", "postgres/types.modes1.plain", true),
            ("postgres/types", "postgres/types.plain", false),
            ("*.plain", "mysql/dml.plain", true),
            ("my?ql/*", "mysql/dml", true),
            ("é*", "été", true),
        ] {
            assert_eq!(fits(pattern, name), does, "{pattern} {name}");
        }
    }

    #[test]
    fn an_empty_folder_is_an_error_that_says_what_was_looked_for() {
        let place = tempfile::tempdir().expect("a folder");
        let error = scenarios(place.path(), Some("x*")).expect_err("nothing there");
        assert!(error.to_string().contains("x*") && error.to_string().contains("postgres/"), "{error}");
    }
}
