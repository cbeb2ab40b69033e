import { describeSeeds } from './seeds.suite.ts';

describeSeeds(0, 2);
