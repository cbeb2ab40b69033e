import { describeSeeds } from './seeds.suite.ts';

describeSeeds(1, 2);
