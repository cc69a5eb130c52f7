//! Options from a file: each line becomes an option of the command line, unless it is there already or in
//! the environment.

use std::ffi::OsString;
use std::path::Path;

/// The words of the command line with those of its configuration file, if it names one.
pub(super) fn with_config(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let Some(path) = config_path(&words) else { return Ok(words) };
    let path = Path::new(&path);
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("could not read the configuration file \"{}\": {error}", path.display()))?;
    let mut all = words.clone();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(format!(
                "\"{}\", line {}: \"{line}\" is not such as \"listen = 127.0.0.1:5432\"",
                path.display(),
                number + 1
            ));
        };
        let (name, value) = (name.trim().replace('_', "-"), value.trim().trim_matches('"'));
        let option = format!("--{name}");
        let is_given = words.iter().any(|word| {
            let word = word.to_string_lossy();
            *word == option || word.starts_with(&format!("{option}="))
        });
        let variable = format!("QUORATE_{}", name.replace('-', "_").to_uppercase());
        if is_given || std::env::var_os(variable).is_some() {
            continue;
        }
        match value {
            "true" => all.push(option.into()),
            "false" => {}
            value => all.push(format!("{option}={value}").into()),
        }
    }
    Ok(all)
}

fn config_path(words: &[OsString]) -> Option<OsString> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if text == "--config" {
            return words.next().cloned();
        }
        if let Some(path) = text.strip_prefix("--config=") {
            return Some(path.into());
        }
    }
    std::env::var_os("QUORATE_CONFIG")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_options_that_the_command_line_overrides() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "# a node\nlisten = 127.0.0.1:1 # here\njoin = \"a:1,b:2\"\nlearner = true\nlease_reads = false\n";
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        let words = ["quorate", "serve", "--config", path, "--listen", "127.0.0.1:2"].map(OsString::from);
        let all = with_config(words.to_vec()).unwrap();
        let added: Vec<&str> = all[6..].iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(added, ["--join=a:1,b:2", "--learner"]);
        std::fs::write(file.path(), "nonsense\n").unwrap();
        assert!(with_config(words.to_vec()).unwrap_err().contains("line 1"));
    }
}
