/** blixard schedule set: makes a schedule, or changes it. */
import { type Command, Option } from 'commander';
import { defaults } from '../../../domain/defaults.ts';
import { BlixardError } from '../../../domain/errors.ts';
import { type CatchUp, catchUpPolicies, type Overlap, overlapPolicies } from '../../../domain/schedule.ts';
import { addCommand, type Call, type CommandHome, print, printJson, withClient } from '../../command.ts';
import { readInteger } from '../../parse.ts';
import { type SubmitOptions, submissionOf } from '../../submission.ts';
import { declareSubmitFlags } from '../../submit-flags.ts';
import { declareTogetherFlags, type TogetherFlags, withTogetherFlags } from '../../together-flags.ts';
import { withWholeInputs } from '../../whole-ids.ts';
import { declareJobFlags } from '../job-flags.ts';
import { setKeepingExecutor } from './executor-kept.ts';
import { scheduleText } from './schedule-text.ts';

interface Options extends SubmitOptions, TogetherFlags {
  readonly cron?: string;
  readonly tz?: string;
  readonly catchUp?: CatchUp;
  readonly catchUpMax?: string;
  readonly overlap?: Overlap;
  readonly ifVersion?: string;
  readonly paused?: boolean;
}

export function addScheduleSet(parent: Command, home: CommandHome): void {
  addCommand<Options>(parent, home, {
    usage: 'set',
    summary:
      'make a schedule, or replace all of it: what is left out has its default again; only a pause stays. ' +
      'The same again changes nothing',
    flags: 'client',
    printsData: true,
    examples: [
      "blixard schedule set nightly --cron '0 3 * * *' --tz Europe/Berlin -- ./backup.sh",
      "blixard schedule set poll --cron '*/30 * * * * *' --overlap skip -- ./poll.sh  # every 30 s",
      "blixard schedule set report --cron '0 9 * * MON-FRI' --catch-up all -m 1g -e MODE=full -- ./report.sh",
      "blixard schedule set mails --cron '@hourly' --executor function -- send-mails",
    ],
    setUp: declare,
    run,
  });
}

function declare(command: Command): void {
  command
    .argument('<schedule>', 'name of the schedule')
    .argument('<command...>', 'program and arguments, best after --')
    .option('--cron <expression>', 'minute hour day month weekday, a second may stand in front; or @daily')
    .option('--tz <zone>', `time zone, for example Europe/Berlin (default: ${defaults.timeZone})`)
    .addOption(
      new Option(
        '--catch-up <policy>',
        `slots missed while nobody could fire them (default: ${defaults.catchUp})`,
      ).choices(catchUpPolicies),
    )
    .option('--catch-up-max <n>', `how many of them with --catch-up all (default: ${defaults.catchUpMax})`)
    .addOption(
      new Option(
        '--overlap <policy>',
        `when the job before has not ended (default: ${defaults.overlap})`,
      ).choices(overlapPolicies),
    )
    .option('--paused', 'fire no slot until it is resumed')
    .option('--if-version <n>', 'only if the schedule has this version; 0: only if there is none');
  declareJobFlags(command);
  declareSubmitFlags(command);
  declareTogetherFlags(command);
}

async function run(call: Call<Options>): Promise<undefined> {
  const { cron, tz, catchUp, catchUpMax, overlap, paused, ifVersion } = call.options;
  const [name = '', ...command] = call.args;
  if (cron === undefined)
    throw new BlixardError('USAGE', { problem: "--cron is missing, for example --cron '0 3 * * *'" });
  const given = await submissionOf(call.context, command, call.options);
  const options = {
    cron,
    ...(tz === undefined ? {} : { timeZone: tz }),
    ...(catchUp === undefined ? {} : { catchUp }),
    ...(catchUpMax === undefined ? {} : { catchUpMax: readInteger('--catch-up-max', catchUpMax) }),
    ...(overlap === undefined ? {} : { overlap }),
    ...(paused === undefined ? {} : { paused }),
    ...(ifVersion === undefined ? {} : { version: readInteger('--if-version', ifVersion) }),
  };
  const schedule = await withClient(call, async (client) => {
    const whole = await withWholeInputs(client, given);
    const [job = whole] = await withTogetherFlags(client, [whole], call.options);
    return await setKeepingExecutor(client, name, { ...options, job });
  });
  const text = scheduleText(call, { ...schedule, runs: [] });
  await (call.json ? printJson(call, schedule) : print(call, text));
}
