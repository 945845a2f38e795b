//! `sluicegate.toml`: made if it is not there, and given a source if it has none that fits.

use super::DatabaseKind;
use std::fs;
use std::io;
use std::path::Path;
use toml_edit::{DocumentMut, Item, Table, value};

/// The source that a new pipeline reads from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub source: String,
    pub at: SourceAt,
    pub kind: DatabaseKind,
    /// The slot and the publication, where those that are named after the source are not free.
    pub slot: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceAt {
    /// `sluicegate.toml` has it.
    Known,
    /// Its address stands in this variable of the environment: it holds a password.
    Variable(String),
}

impl Settings {
    /// The variable that has to be set before anything runs, if there is one.
    pub fn variable(&self) -> Option<&str> {
        match &self.at {
            SourceAt::Known => None,
            SourceAt::Variable(name) => Some(name),
        }
    }

    /// The text of `sluicegate.toml`; `None` if it can stay as it is.
    ///
    /// # Errors
    /// If it is there and can not be read.
    pub(super) fn host_file(&self, path: &Path) -> io::Result<Option<String>> {
        let SourceAt::Variable(variable) = &self.at else { return Ok(None) };
        let kind = if self.kind == DatabaseKind::Postgres { "postgres" } else { "mysql" };
        if !path.exists() {
            let source = &self.source;
            let slot = self.slot.as_ref().map_or(String::new(), |slot| {
                format!(
                    "slot = \"{slot}\"            # another program has sluicegate_{source}\npublication = \"{slot}\"\n"
                )
            });
            return Ok(Some(format!(
                "# What all pipelines in this folder share.\n\n[host]\nadmin = \"127.0.0.1:8900\"      # health, metrics, status\n\n\
                 [source.{source}]\nkind = \"{kind}\"\nurl  = \"${{{variable}}}\"             # from the environment: it holds a password\n{slot}"
            )));
        }
        let mut document: DocumentMut = fs::read_to_string(path)?
            .parse()
            .map_err(|e: toml_edit::TomlError| io::Error::new(io::ErrorKind::InvalidData, e.message().to_owned()))?;
        let sources = document.entry("source").or_insert_with(|| {
            let mut sources = Table::new();
            sources.set_implicit(true);
            Item::Table(sources)
        });
        let mut source = Table::new();
        source.insert("kind", value(kind));
        source.insert("url", value(format!("${{{variable}}}")));
        for key in ["slot", "publication"].iter().filter(|_| self.slot.is_some()) {
            source.insert(key, value(self.slot.clone().unwrap_or_default()));
        }
        sources[&self.source] = Item::Table(source);
        Ok(Some(document.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_added_to_a_file_that_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sluicegate.toml");
        let before = "# mine\n[source.erp]\nkind = \"postgres\" # ours\nurl = \"${ERP_URL}\"\n";
        fs::write(&path, before).expect("written");
        let at = SourceAt::Variable("SHOP_URL".into());
        let settings = Settings { source: "shop".into(), at, kind: DatabaseKind::Mysql, slot: None };
        let text = settings.host_file(&path).expect("TOML").expect("something new");
        assert!(text.starts_with(before), "{text}");
        assert!(text.ends_with("[source.shop]\nkind = \"mysql\"\nurl = \"${SHOP_URL}\"\n"), "{text}");
        let known = Settings { at: SourceAt::Known, ..settings };
        assert_eq!(known.host_file(&path).expect("nothing to do"), None);
    }
}
