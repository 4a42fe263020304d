#!/usr/bin/env node
import { catchSignals } from './commands/signals.ts';

// Before the rest is even loaded, which takes longer than anything else here.
const ending = catchSignals();
// Makes a pipe non-blocking: a trace of an error that nobody reads must not keep the process from ending.
void process.stderr;
const { runCommandLine } = await import('./commands/command-line.ts');
await runCommandLine(ending);
