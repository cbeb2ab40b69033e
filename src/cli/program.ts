/** The program `blixard`: all commands, and what one run of it comes to. */
import { Command, CommanderError } from 'commander';
import { errorCatalogue } from '../domain/errors.ts';
import { addNoun, type CommandHome, helpVerb, type Outcome } from './command.ts';
import { addConfig } from './commands/config.ts';
import { addDoctor } from './commands/doctor.ts';
import { addEvents } from './commands/events.ts';
import { addGroupCommands } from './commands/group/commands.ts';
import { addImageBuild } from './commands/image/build.ts';
import { addImageGc } from './commands/image/gc.ts';
import { addImageGet } from './commands/image/get.ts';
import { addImageLs } from './commands/image/ls.ts';
import { addImageRm } from './commands/image/rm.ts';
import { addImageWarm } from './commands/image/warm.ts';
import { addJobArtifacts } from './commands/job/artifacts.ts';
import { addJobCancel } from './commands/job/cancel.ts';
import { addJobGet } from './commands/job/get.ts';
import { addJobLogs } from './commands/job/logs.ts';
import { addJobLs } from './commands/job/ls.ts';
import { addJobResult } from './commands/job/result.ts';
import { addJobRetry } from './commands/job/retry.ts';
import { addJobRm } from './commands/job/rm.ts';
import { addJobSubmit } from './commands/job/submit.ts';
import { addJobWait } from './commands/job/wait.ts';
import { addOpenapi } from './commands/openapi.ts';
import { addServer, addUp, addWorker } from './commands/processes.ts';
import { addQueueCommands } from './commands/queue/commands.ts';
import { addRun } from './commands/run.ts';
import { addSchedule } from './commands/schedule/index.ts';
import { addVerify } from './commands/verify.ts';
import { addVmCommands } from './commands/vm/commands.ts';
import { addWebhookCommands } from './commands/webhook/commands.ts';
import { addWorkerDrain } from './commands/worker/drain.ts';
import { addWorkerLs } from './commands/worker/ls.ts';
import type { CliContext } from './context.ts';
import { outputClosedCode } from './exit-code.ts';
import { makePaint } from './output/style.ts';
import { errorText } from './report-error.ts';
import { OutputClosed } from './terminal.ts';
import { helpHint, helpOfWhole, inFlags, tellComplaints } from './usage.ts';

const examples = `
Examples:
  $ blixard up                                  start everything on this machine
  $ blixard run -- sh -c 'echo hello; uname -r' run a command in a microVM
  $ blixard job ls                              see what became of it
  $ blixard doctor                              find out what is missing

'blixard <command> --help' says more about a command.
`;

/** Runs one command line (without node and script). Resolves with the exit code; never rejects. */
export async function runCli(args: readonly string[], context: CliContext): Promise<number> {
  const outcome: Outcome = { exitCode: 0, verbose: false, command: 'blixard' };
  try {
    const program = createProgram({ context, outcome });
    await program.parseAsync(helpOfWhole(program, args), { from: 'user' });
    return outcome.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : errorCatalogue.USAGE.exitCode;
    return await reportError(inFlags(error), context, outcome);
  }
}

/** Tells an error on standard error; resolves with the exit code for it, also where it cannot be told otherwise. */
export async function reportError(
  error: unknown,
  context: CliContext,
  { verbose, command }: Pick<Outcome, 'verbose' | 'command'>,
): Promise<number> {
  if (error instanceof OutputClosed) return outputClosedCode;
  const paint = makePaint(context.terminal.hasColour('stderr'));
  const told = errorText(error, { paint, verbose, usageHint: helpHint(command) });
  await context.terminal.write('stderr', told.text).catch(leftToExitCode);
  return told.exitCode;
}

/** Standard error cannot be written: there is nobody to tell. */
const leftToExitCode = (): void => undefined;

function createProgram(home: CommandHome): Command {
  const program = newProgram(home.context);
  program.commandsGroup('Run jobs:');
  addRun(program, home);
  addJobCommands(addNoun(program, 'job', 'submit, look at, cancel and retry jobs'), home);
  addGroupCommands(program, home);
  addQueueCommands(program, home);
  addSchedule(program, home);
  addEvents(program, home);
  addWebhookCommands(program, home);
  program.commandsGroup('Run Blixard:');
  addUp(program, home);
  addServer(program, home);
  addWorkerCommands(addWorker(program, home), home);
  addVmCommands(program, home);
  program.commandsGroup('Look after a host:');
  addDoctor(program, home);
  addVerify(program, home);
  addConfig(program, home);
  addImageCommands(addNoun(program, 'image', 'the images on this host'), home);
  addOpenapi(program, home);
  return program;
}

function newProgram(context: CliContext): Command {
  const { terminal } = context;
  const program = new Command('blixard')
    .description('Durable jobs in microVMs.')
    .version(context.version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(...helpVerb)
    .exitOverride()
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => void terminal.write('stdout', text),
      writeErr: (text) => void terminal.write('stderr', text).catch(leftToExitCode),
      getOutHasColors: () => terminal.hasColour('stdout'),
      getErrHasColors: () => terminal.hasColour('stderr'),
    })
    .configureHelp({ styleTitle: (title) => `\x1b[1m${title}\x1b[0m` })
    .addHelpText('after', examples);
  return tellComplaints(program);
}

function addJobCommands(job: Command, home: CommandHome): void {
  addJobSubmit(job, home);
  addJobLs(job, home);
  addJobGet(job, home);
  addJobLogs(job, home);
  addJobResult(job, home);
  addJobArtifacts(job, home);
  addJobWait(job, home);
  addJobCancel(job, home);
  addJobRetry(job, home);
  addJobRm(job, home);
}

function addWorkerCommands(worker: Command, home: CommandHome): void {
  worker.helpCommand(...helpVerb);
  addWorkerLs(worker, home);
  addWorkerDrain(worker, home);
}

function addImageCommands(image: Command, home: CommandHome): void {
  addImageLs(image, home);
  addImageGet(image, home);
  addImageBuild(image, home);
  addImageWarm(image, home);
  addImageRm(image, home);
  addImageGc(image, home);
}
