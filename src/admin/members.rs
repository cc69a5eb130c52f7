//! The cluster's members, and changes of them.

use crate::cluster::{Cluster, MemberStatus};
use crate::error::{Error, Result, state};

/// A line a member: number, address, role, vote, term, applied entry, entries behind the leader, version,
/// seconds since its start, client address, what else there is to say.
pub(super) async fn list(cluster: &Cluster) -> String {
    let report = cluster.report().await;
    let known = report.members.iter().filter_map(|member| member.said.as_ref().ok());
    let newest = known.map(|said| said.applied).max().unwrap_or(0);
    report.members.iter().map(|member| line(member, newest)).collect()
}

fn line(status: &MemberStatus, newest: u64) -> String {
    let member = &status.member;
    let vote = if member.is_voter { "voter" } else { "learner" };
    let fields = match &status.said {
        Ok(said) => {
            let mega = |bytes: u64| bytes >> 20;
            let note = said.fetching.map_or_else(String::new, |(done, total)| {
                format!("fetched {} of {} MB", mega(done), mega(total))
            });
            [
                said.role.clone(),
                vote.into(),
                said.term.to_string(),
                said.applied.to_string(),
                (newest - said.applied).to_string(),
                said.version.clone(),
                said.uptime_s.to_string(),
                said.client_address.clone(),
                note,
            ]
        }
        Err(why) => {
            let none = || "-".to_owned();
            let matched = member.matched.map_or_else(none, |matched| matched.to_string());
            ["unreachable".into(), vote.into(), none(), matched, none(), none(), none(), none(), why.clone()]
        }
    };
    format!("{}\t{}\t{}\n", member.node, member.address, fields.join("\t").replace('\n', " "))
}

fn number(query: &str, name: &str) -> Result<u64> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    value
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| Error::new(state::INVALID_PARAMETER_VALUE, format!("say which node: {name}=NUMBER")))
}

/// Carries a change out; `None` if there is none of that name.
pub(super) async fn change(path: &str, query: &str, cluster: &Cluster) -> Option<Result<String>> {
    Some(match path {
        "/remove" => match number(query, "node") {
            Ok(node) => cluster.remove(node).await.map(|()| format!("Node {node} is removed.\n")),
            Err(error) => Err(error),
        },
        "/rebuild" => match number(query, "node") {
            Ok(node) => cluster
                .rebuild(node)
                .await
                .map(|()| format!("Node {node} replaces its files when the next entry is applied.\n")),
            Err(error) => Err(error),
        },
        "/transfer" => {
            let to = if query.is_empty() { Ok(None) } else { number(query, "to").map(Some) };
            match to {
                Ok(to) => cluster.transfer(to).await.map(|leader| format!("Node {leader} leads.\n")),
                Err(error) => Err(error),
            }
        }
        "/verify" => cluster.verify().await.map(|(index, tables, different)| {
            let lines: String = different.iter().map(|line| format!("different\t{line}\n")).collect();
            format!("entry\t{index}\ntables\t{tables}\n{lines}")
        }),
        _ => return None,
    })
}
