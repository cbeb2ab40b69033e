/** New jobs of submits that came in together, each of which stands for itself: several rows by one statement. */
import { defineRows } from './define.ts';
import { insertJob, insertJobData } from './jobs.ts';

/** So many make the work of a statement for each of them a third less; twice as many gain no more. */
const together = 8;

/** Like `insertJob` for each of them: what stands in the way of one keeps only that one out. */
export const insertTogether = defineRows(insertJob, together);

/** Like `insertJobData` for each of them. */
export const insertDataTogether = defineRows(insertJobData, together);
