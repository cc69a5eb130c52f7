//! What people see of the members of a cluster.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::{print, request};

/// How often is looked whether a node has joined.
const JOIN_INTERVAL: Duration = Duration::from_millis(500);

/// Lines of fields as columns that line up.
fn columns(lines: &[Vec<String>]) -> String {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|field| field.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let fields = line.iter().zip(&widths).map(|(field, width)| format!("{field:width$}"));
        text.push_str(fields.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn duration(seconds: &str) -> String {
    match seconds.parse::<u64>() {
        Ok(seconds) if seconds >= 86_400 => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
        Ok(seconds) if seconds >= 3600 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        Ok(seconds) if seconds >= 60 => format!("{}m {}s", seconds / 60, seconds % 60),
        Ok(seconds) => format!("{seconds}s"),
        Err(_) => seconds.to_owned(),
    }
}

/// The table of a page of /members.
pub(super) fn table(page: &str) -> String {
    let header =
        ["node", "address", "role", "vote", "term", "applied", "lag", "version", "uptime", "clients at", ""];
    let mut lines = vec![header.map(str::to_owned).to_vec()];
    for line in page.lines() {
        let mut fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        if let Some(uptime) = fields.get_mut(8) {
            *uptime = duration(uptime);
        }
        lines.push(fields);
    }
    columns(&lines)
}

/// `quorate status`
pub(super) fn status(address: SocketAddr) -> Result<(), String> {
    let own = request::get(address, "/status")?;
    let members = request::get(address, "/members")?;
    print(&format!("{}\n{}", super::table(&own), table(&members)));
    Ok(())
}

fn nodes(page: &str) -> BTreeSet<String> {
    page.lines().filter_map(|line| line.split('\t').next()).map(str::to_owned).collect()
}

/// `quorate node add`
pub(super) fn add(address: SocketAddr) -> Result<(), String> {
    let before = request::get(address, "/members")?;
    let addresses: Vec<&str> = before.lines().filter_map(|line| line.split('\t').nth(1)).collect();
    print(&format!(
        "Start the new node, on its machine, with an empty data directory:\n\n    quorate serve --data ./quorate-data --cluster-listen ITS-ADDRESS:7432 --join {}\n\nWaiting until it is a member (ctrl-C ends only the waiting).\n",
        addresses.join(",")
    ));
    let mut said = String::new();
    loop {
        std::thread::sleep(JOIN_INTERVAL);
        let page = request::get(address, "/members")?;
        let new: Vec<String> = nodes(&page).difference(&nodes(&before)).cloned().collect();
        let Some(new) = new.first() else { continue };
        let Some(line) = page.lines().find(|line| line.split('\t').next() == Some(new)) else { continue };
        let fields: Vec<&str> = line.split('\t').collect();
        let now = format!("Node {new}: {}, {} {}\n", fields[2], fields[3], fields.get(10).unwrap_or(&""));
        if now != said {
            print(&now);
            said = now;
        }
        if fields[3] == "voter" {
            return Ok(());
        }
    }
}

/// `quorate verify`
pub(super) fn verify(address: SocketAddr) -> Result<(), String> {
    print("Comparing all nodes…\n");
    let page = request::post(address, "/verify")?;
    let field = |name: &str| {
        page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')).unwrap_or("?").to_owned()
    };
    let different: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("different\t")).collect();
    if different.is_empty() {
        print(&format!("All nodes hold the same at entry {}: {} tables.\n", field("entry"), field("tables")));
        return Ok(());
    }
    for line in &different {
        print(&format!("{line}\n"));
    }
    Err(format!(
        "{} of {} tables differ at entry {}; quorate node rebuild NODE replaces a node's files by the leader's",
        different.len(),
        field("tables"),
        field("entry")
    ))
}

#[cfg(test)]
mod tests {
    #[test]
    fn members_line_up() {
        let page = "1\t127.0.0.1:7432\tleader\tvoter\t2\t17\t0\t0.1.0\t61\t127.0.0.1:5432\t\n22\tb:7432\tfollower\tvoter\t2\t9\t8\t0.1.0\t90000\tb:5432\tfetched 1 of 2 MB\n";
        let expected = "\
node  address         role      vote   term  applied  lag  version  uptime  clients at
1     127.0.0.1:7432  leader    voter  2     17       0    0.1.0    1m 1s   127.0.0.1:5432
22    b:7432          follower  voter  2     9        8    0.1.0    1d 1h   b:5432          fetched 1 of 2 MB
";
        assert_eq!(super::table(page), expected);
    }
}
