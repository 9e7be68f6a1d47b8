//! A container's system call filter: from its configuration to the kernel's programs. Pure.
//!
//! seccompiler's filters have one action for what matches and one for the rest, so there is one program for each action; the
//! kernel runs all and takes the strictest answer. System calls of other architectures than the machine's end
//! the process.

use std::collections::BTreeMap;

use ironkit_contract::oci::{Seccomp, Syscall, SyscallArg};
use ironkit_sys::seccomp::Program;
use ironkit_sys::syscalls;
use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::error::{Error, Result};

/// `EPERM`: what `SCMP_ACT_ERRNO` returns when no number is given.
const EPERM: u32 = 1;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Compiles a filter. Names of system calls that this architecture does not have are left out, as the specification
/// wants.
///
/// # Errors
/// [`Error::Invalid`] for an unknown action, comparison or argument, [`Error::NotSupported`] for `SCMP_ACT_NOTIFY`.
pub fn compile(seccomp: &Seccomp) -> Result<Vec<Program>> {
    let default = action(&seccomp.default_action, seccomp.default_errno_ret)?;
    let mut spoken_of = Rules::new();
    let mut by_action: Vec<(SeccompAction, Rules)> = Vec::new();
    for entry in &seccomp.syscalls {
        let action = action(&entry.action, entry.errno_ret)?;
        if action == default {
            continue;
        }
        add(&mut spoken_of, entry)?;
        if action == SeccompAction::Allow {
            continue;
        }
        match by_action.iter_mut().find(|(known, _)| *known == action) {
            Some((_, rules)) => add(rules, entry)?,
            None => {
                let mut rules = Rules::new();
                add(&mut rules, entry)?;
                by_action.push((action, rules));
            }
        }
    }
    let mut programs = Vec::new();
    if default != SeccompAction::Allow {
        programs.push(assemble(spoken_of, default, SeccompAction::Allow)?);
    }
    for (action, rules) in by_action {
        programs.push(assemble(rules, SeccompAction::Allow, action)?);
    }
    Ok(programs)
}

fn assemble(rules: Rules, otherwise: SeccompAction, matching: SeccompAction) -> Result<Program> {
    let wrong = |error: &dyn std::fmt::Display| Error::Invalid(format!("seccomp: {error}"));
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| wrong(&error))?;
    let filter = SeccompFilter::new(rules, otherwise, matching, machine).map_err(|error| wrong(&error))?;
    filter
        .try_into()
        .map_err(|error: seccompiler::BackendError| wrong(&error))
}

/// Adds an entry. No condition stands for every call, and conditions that were there before change nothing then.
fn add(rules: &mut Rules, entry: &Syscall) -> Result<()> {
    let conditions = entry.args.iter().map(condition).collect::<Result<Vec<_>>>()?;
    for number in entry.names.iter().filter_map(|name| syscalls::number(name)) {
        if conditions.is_empty() {
            rules.insert(number, Vec::new());
            continue;
        }
        let rule = SeccompRule::new(conditions.clone())
            .map_err(|error| Error::Invalid(format!("seccomp: {error}")))?;
        match rules.get_mut(&number) {
            Some(all) if all.is_empty() => {}
            Some(some) => some.push(rule),
            None => {
                rules.insert(number, vec![rule]);
            }
        }
    }
    Ok(())
}

fn condition(arg: &SyscallArg) -> Result<SeccompCondition> {
    let (op, value) = match arg.op.as_str() {
        "SCMP_CMP_NE" => (SeccompCmpOp::Ne, arg.value),
        "SCMP_CMP_LT" => (SeccompCmpOp::Lt, arg.value),
        "SCMP_CMP_LE" => (SeccompCmpOp::Le, arg.value),
        "SCMP_CMP_EQ" => (SeccompCmpOp::Eq, arg.value),
        "SCMP_CMP_GE" => (SeccompCmpOp::Ge, arg.value),
        "SCMP_CMP_GT" => (SeccompCmpOp::Gt, arg.value),
        "SCMP_CMP_MASKED_EQ" => (SeccompCmpOp::MaskedEq(arg.value), arg.value_two),
        other => return Err(Error::Invalid(format!("seccomp: unknown comparison {other}"))),
    };
    let index = u8::try_from(arg.index).unwrap_or(u8::MAX);
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, op, value)
        .map_err(|error| Error::Invalid(format!("seccomp: {error}")))
}

fn action(name: &str, errno: Option<u32>) -> Result<SeccompAction> {
    Ok(match name {
        "SCMP_ACT_ALLOW" => SeccompAction::Allow,
        "SCMP_ACT_ERRNO" => SeccompAction::Errno(errno.unwrap_or(EPERM)),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => SeccompAction::KillThread,
        "SCMP_ACT_KILL_PROCESS" => SeccompAction::KillProcess,
        "SCMP_ACT_TRAP" => SeccompAction::Trap,
        "SCMP_ACT_TRACE" => SeccompAction::Trace(errno.unwrap_or(EPERM)),
        "SCMP_ACT_LOG" => SeccompAction::Log,
        "SCMP_ACT_NOTIFY" => {
            return Err(Error::NotSupported(
                "the seccomp action SCMP_ACT_NOTIFY".to_owned(),
            ));
        }
        other => return Err(Error::Invalid(format!("seccomp: unknown action {other:?}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(names: &[&str], action: &str, args: &[(u32, u64, &str)]) -> Syscall {
        Syscall {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            action: format!("SCMP_ACT_{action}"),
            args: args
                .iter()
                .map(|(index, value, op)| SyscallArg {
                    index: *index,
                    value: *value,
                    op: format!("SCMP_CMP_{op}"),
                    ..SyscallArg::default()
                })
                .collect(),
            ..Syscall::default()
        }
    }

    #[test]
    fn there_is_a_program_for_each_action() {
        let cases: &[(&str, &[Syscall], Option<usize>)] = &[
            ("ALLOW", &[], Some(0)),
            ("ERRNO", &[], Some(1)),
            (
                "ERRNO",
                &[entry(&["read", "write", "no_such_call"], "ALLOW", &[])],
                Some(1),
            ),
            (
                "ALLOW",
                &[
                    entry(&["mount"], "ERRNO", &[]),
                    entry(&["bpf"], "KILL_PROCESS", &[]),
                ],
                Some(2),
            ),
            (
                "ERRNO",
                &[entry(&["read"], "ALLOW", &[]), entry(&["bpf"], "LOG", &[])],
                Some(2),
            ),
            (
                "ERRNO",
                &[entry(&["clone"], "ALLOW", &[(0, 0x7e02_0000, "LT")])],
                Some(1),
            ),
            ("ALLOW", &[entry(&["mount"], "ALLOW", &[])], Some(0)),
            ("NOTIFY", &[], None),
            ("WHATEVER", &[], None),
            ("ERRNO", &[entry(&["read"], "ALLOW", &[(9, 0, "EQ")])], None),
            ("ERRNO", &[entry(&["read"], "ALLOW", &[(0, 0, "LIKE")])], None),
        ];
        for (default, syscalls, expect) in cases {
            let seccomp = Seccomp {
                default_action: format!("SCMP_ACT_{default}"),
                syscalls: syscalls.to_vec(),
                ..Seccomp::default()
            };
            assert_eq!(
                compile(&seccomp).ok().map(|programs| programs.len()),
                *expect,
                "{default} {syscalls:?}"
            );
        }
    }
}
