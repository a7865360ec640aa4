//! `mayor/accounts.json`: whose account the agents use. gt starts each role with the directory of the default one.

use std::path::{Path, PathBuf};

use jsonc_parser::ast::{Object, Value};

use super::json::Reader;
use super::lenient;
use crate::machine::Disk;
use crate::model::Seen;
use crate::town::diagnostic::Diagnostic;
use crate::town::source::Source;

/// The file.
pub const ACCOUNTS_JSON: &str = "mayor/accounts.json";

/// Where the default account keeps its configuration, if one counts for all; `Known(None)` if there is no such file.
pub fn read_account(
    disk: &dyn Disk,
    root: &Path,
    warnings: &mut Vec<Diagnostic>,
) -> Seen<Option<Option<PathBuf>>> {
    let home = disk.home();
    lenient::read(disk, root, ACCOUNTS_JSON, warnings, |source| parse_account(source, home.as_deref()))
}

/// The directory of the default account.
fn parse_account(source: &Source, home: Option<&Path>) -> Result<Option<PathBuf>, Vec<Diagnostic>> {
    let mut reader = Reader::new(source);
    let found = reader.parse().and_then(|file| default_account(&mut reader, &file, home));
    reader.finish(found)
}

/// gt ignores a file whose default account is not in it, and starts agents with whatever account the machine has; here that is a mistake.
fn default_account<'a>(reader: &mut Reader<'a>, file: &Object<'a>, home: Option<&Path>) -> Option<PathBuf> {
    let (handle, at) = reader.string(file, "default").filter(|(handle, _)| !handle.is_empty())?;
    let accounts = reader.object(file, "accounts");
    // Handles are keys of a map, and those differ by case.
    let entries = accounts.map(|accounts| reader.entries(accounts)).unwrap_or_default();
    let entry = entries.into_iter().find(|entry| entry.name.as_str() == handle);
    let mistake = |reader: &mut Reader<'a>, node: &Value<'a>, title: String| {
        let label = reader.label(node, "");
        reader.mistakes.push(Diagnostic::error(title, label));
        None
    };
    let Some(account) = entry.and_then(|entry| entry.value.as_object()) else {
        return mistake(reader, at, format!("there is no account `{}`", handle.escape_debug()));
    };
    let Some((text, place)) = reader.string(account, "config_dir") else {
        return mistake(reader, at, format!("the account `{}` has no `config_dir`", handle.escape_debug()));
    };
    match directory(text, home) {
        Ok(directory) => Some(directory),
        Err(title) => mistake(reader, place, title),
    }
}

/// A path as gt takes it: `~/` is the home directory.
fn directory(text: &str, home: Option<&Path>) -> Result<PathBuf, String> {
    let path = match (text.strip_prefix("~/"), home) {
        (Some(rest), Some(home)) => home.join(rest),
        (Some(_), None) => return Err("`~` stands for nothing: HOME is not set".to_owned()),
        (None, _) => PathBuf::from(text),
    };
    let is_usable = path.is_absolute() && !text.contains('\0');
    is_usable.then_some(path).ok_or_else(|| "`config_dir` must be absolute, or begin with `~/`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> Result<Option<PathBuf>, Vec<String>> {
        let source = Source { file: ACCOUNTS_JSON.to_owned(), text: text.to_owned() };
        parse_account(&source, Some(Path::new("/home/me")))
            .map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.title).collect())
    }

    #[test]
    fn the_default_account_counts_and_a_tilde_is_the_home_directory() {
        let file = |default: &str| {
            format!(
                r#"{{"version":1,"default":"{default}","accounts":{{
                    "work":{{"email":"a@b","config_dir":"~/.claude-work"}},"own":{{"config_dir":"/srv/own"}},
                    "torn":{{"email":"c@d"}},"odd":{{"config_dir":"claude"}}}}}}"#
            )
        };
        assert_eq!(account(&file("work")), Ok(Some(PathBuf::from("/home/me/.claude-work"))));
        assert_eq!(account(&file("own")), Ok(Some(PathBuf::from("/srv/own"))));
        assert_eq!(account(&file("")), Ok(None), "nobody is the default");
        assert_eq!(account("{}"), Ok(None));
        for (default, says) in [
            ("gone", "no account `gone`"),
            ("torn", "no `config_dir`"),
            ("odd", "absolute"),
            ("WORK", "`WORK`"),
        ] {
            let mistakes = account(&file(default)).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].contains(says), "{default}: {mistakes:?}");
        }
    }
}
