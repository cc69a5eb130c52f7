//! The layers of src/ARCHITECTURE.md hold: a module imports only what stands to the right of it, and each
//! foreign crate is named by its owner only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The lines of a fenced block of src/ARCHITECTURE.md.
fn block(name: &str) -> Vec<String> {
    let page = std::fs::read_to_string(source().join("ARCHITECTURE.md")).unwrap();
    let start = page.find(&format!("```{name}\n")).unwrap_or_else(|| panic!("a block {name}"));
    let body = &page[start + name.len() + 4..];
    body[..body.find("```").unwrap()].lines().map(str::to_owned).collect()
}

fn table(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let row = |line: &String| {
        let (module, others) = line.split_once("->").expect("module -> others");
        (module.trim().to_owned(), others.split_whitespace().map(str::to_owned).collect())
    };
    block(name).iter().map(row).collect()
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every source file with its module and its text without comments.
fn modules() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    files(&source(), &mut found);
    found
        .into_iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(source()).unwrap();
            let module = relative.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            if module.ends_with(".rs") {
                return None;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code =
                text.lines().map(|line| line.split("//").next().unwrap()).collect::<Vec<_>>().join("\n");
            Some((module, path.clone(), code))
        })
        .collect()
}

/// The words that follow `prefix` in a text.
fn after<'t>(text: &'t str, prefix: &str) -> Vec<&'t str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(prefix)
        .filter(|(place, _)| !text[..*place].ends_with(is_word))
        .map(|(place, _)| {
            let rest = &text[place + prefix.len()..];
            rest.split(|c| !is_word(c)).next().unwrap()
        })
        .collect()
}

/// Modules named in `use crate::{a, b::c}`.
fn grouped(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (place, prefix) in text.match_indices("crate::{") {
        let (mut depth, mut word) = (1, String::new());
        let mut takes = true;
        for c in text[place + prefix.len()..].chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => takes = true,
                ':' if depth == 1 => takes = false,
                c if depth == 1 && takes && (c.is_alphanumeric() || c == '_') => {
                    word.push(c);
                    continue;
                }
                _ => {}
            }
            if !word.is_empty() {
                names.push(std::mem::take(&mut word));
            }
            if depth == 0 {
                break;
            }
        }
    }
    names
}

#[test]
fn calls_go_down() {
    let layers = table("layers");
    let known: BTreeSet<&str> = layers.keys().map(String::as_str).collect();
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        let Some(allowed) = layers.get(&module) else { panic!("{module} is in no layer") };
        let named = after(&code, "crate::").into_iter().map(str::to_owned).chain(grouped(&code));
        for name in named.filter(|name| known.contains(name.as_str()) && **name != module) {
            if !allowed.contains(&name) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
        }
        seen.insert(module);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let missing: Vec<&String> = layers.keys().filter(|module| !seen.contains(*module)).collect();
    assert!(missing.is_empty(), "layers without a module: {missing:?}");
}

#[test]
fn layers_have_an_order() {
    let layers = block("layers");
    let order: Vec<&str> = layers.iter().map(|line| line.split_once("->").unwrap().0.trim()).collect();
    for (module, below) in table("layers") {
        let own = order.iter().position(|name| *name == module).unwrap();
        for name in below {
            let other =
                order.iter().position(|found| *found == name).unwrap_or_else(|| panic!("{name} is no layer"));
            // config and settings stand beside the list; nothing goes in circles.
            assert!(
                !table("layers")[&name].contains(&module),
                "{module} and {name} use each other ({own}, {other})"
            );
        }
    }
}

#[test]
fn foreign_crates_have_one_owner() {
    let owners = table("crates");
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        for (name, owner) in &owners {
            let names_it =
                !after(&code, &format!("{name}::")).is_empty() || code.contains(&format!("use {name};"));
            if names_it && !owner.contains(&module) {
                wrong.push(format!("{} names {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let dependencies =
        manifest.split("[dependencies]").nth(1).unwrap().split("[dev-dependencies]").next().unwrap();
    for line in dependencies.lines().filter(|line| line.contains(" = ")) {
        let name = line.split(" = ").next().unwrap().replace('-', "_");
        let name = if name == "md_5" { "md5" } else { &name };
        assert!(owners.contains_key(name), "{name} has no owner in src/ARCHITECTURE.md");
    }
}

#[test]
fn no_module_hides_what_it_is_for() {
    let mut found = Vec::new();
    files(&source(), &mut found);
    for path in found {
        for word in ["util", "utils", "common", "helper", "helpers", "manager", "misc"] {
            assert!(
                path.iter().all(|part| part != word) && path.file_stem().unwrap() != word,
                "{}",
                path.display()
            );
        }
    }
}
