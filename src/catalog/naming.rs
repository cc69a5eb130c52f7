//! Names: the ones PostgreSQL chooses, and the ones SQLite is given.

use crate::types::text::{NAME_BYTES_MAX, cut_name};

/// Splits a list of identifiers as search_path holds it: quoted or not, folded to lower case.
pub fn split_list(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, tail) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (quoted[..end].to_owned(), quoted.get(end + 1..).unwrap_or(""))
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                (rest[..end].trim().to_lowercase(), &rest[end..])
            }
        };
        if !name.is_empty() {
            names.push(name);
        }
        rest = tail.trim_start().strip_prefix(',').unwrap_or("").trim_start();
    }
    names
}

/// `first_second_label` cut to 63 bytes, shortening the longer of the first two (makeObjectName).
pub fn object_name(first: &str, second: Option<&str>, label: &str) -> String {
    let overhead = 1 + label.len() + usize::from(second.is_some());
    let room = NAME_BYTES_MAX.saturating_sub(overhead);
    let (mut first_bytes, mut second_bytes) = (first.len(), second.map_or(0, str::len));
    while first_bytes + second_bytes > room {
        if first_bytes > second_bytes { first_bytes -= 1 } else { second_bytes -= 1 }
    }
    let cut = |name: &str, bytes: usize| name[..name.floor_char_boundary(bytes)].to_owned();
    match second {
        Some(second) => format!("{}_{}_{label}", cut(first, first_bytes), cut(second, second_bytes)),
        None => format!("{}_{label}", cut(first, first_bytes)),
    }
}

/// The first of `name`, `name1`, `name2` … that is free (ChooseRelationName).
pub fn free_name(first: &str, second: Option<&str>, label: &str, is_taken: impl Fn(&str) -> bool) -> String {
    const TRIES: u32 = 1_000_000;
    let plain = object_name(first, second, label);
    if !is_taken(&plain) {
        return plain;
    }
    (1..TRIES)
        .map(|number| object_name(first, second, &format!("{label}{number}")))
        .find(|name| !is_taken(name))
        .expect("a catalog has fewer relations than names are tried")
}

/// SQLite's name for a relation. Those of public keep their names and others get their schema's before
/// it, so that the file can be read with the sqlite3 shell; where that would collide, in SQLite's
/// eyes, the oid makes it unique.
pub fn storage_name(schema: &str, name: &str, oid: u32, is_taken: impl Fn(&str) -> bool) -> String {
    let plain = if schema == "public" { name.to_owned() } else { format!("{schema}.{name}") };
    let lower = plain.to_ascii_lowercase();
    let is_reserved = ["sqlite_", "quorate.", "pg_catalog."].iter().any(|prefix| lower.starts_with(prefix));
    if is_reserved || is_taken(&lower) { format!("{plain}~{oid}") } else { plain }
}

/// SQLite's name for a column; its number makes it unique where only the case differs.
pub fn column_storage_name(name: &str, number: i16, is_taken: impl Fn(&str) -> bool) -> String {
    let lower = name.to_ascii_lowercase();
    if is_taken(&lower) { format!("{name}~{number}") } else { name.to_owned() }
}

/// The name under which SQLite reaches the row number of a table with these columns.
pub fn rowid_name<'a>(columns: impl Iterator<Item = &'a str> + Clone) -> Option<&'static str> {
    ["rowid", "_rowid_", "oid"]
        .into_iter()
        .find(|name| !columns.clone().any(|column| column.eq_ignore_ascii_case(name)))
}

/// An identifier as the user wrote it, cut to 63 bytes; whether it was too long.
pub fn fold(value: &str, is_quoted: bool) -> (String, bool) {
    let folded = if is_quoted { value.to_owned() } else { value.to_lowercase() };
    let cut = cut_name(&folded);
    (cut.to_owned(), cut.len() < folded.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_are_postgresqls() {
        assert_eq!(object_name("album", Some("artist_id"), "fkey"), "album_artist_id_fkey");
        assert_eq!(object_name("t", None, "pkey"), "t_pkey");
        let long = "a".repeat(60);
        let name = object_name(&long, Some("id"), "seq");
        assert_eq!(name, format!("{}_id_seq", "a".repeat(56)));
        assert_eq!(free_name("t", Some("a"), "key", |name| name == "t_a_key"), "t_a_key1");
    }

    #[test]
    fn sqlite_names_are_plain_unless_they_collide() {
        let taken = |name: &str| name == "author";
        assert_eq!(storage_name("public", "book", 1, taken), "book");
        assert_eq!(storage_name("sales", "book", 1, taken), "sales.book");
        assert_eq!(storage_name("public", "Author", 16400, taken), "Author~16400");
        assert_eq!(storage_name("public", "sqlite_x", 7, taken), "sqlite_x~7");
        assert_eq!(rowid_name(["id", "RowID"].into_iter()), Some("_rowid_"));
    }

    #[test]
    fn search_paths_are_lists_of_identifiers() {
        assert_eq!(split_list("\"$user\", public"), ["$user", "public"]);
        assert_eq!(split_list(" Sales ,\"My, Schema\""), ["sales", "My, Schema"]);
        assert!(split_list("").is_empty());
    }
}
