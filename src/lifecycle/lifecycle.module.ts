import { Global, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Agents } from './agents';
import { Loops } from './loop';
import { Shutdown } from './shutdown';
import { Vitals } from './vitals';

@Global()
@Module({
  imports: [ScheduleModule.forRoot()],
  providers: [Agents, Loops, Shutdown, Vitals],
  exports: [Agents, Loops, Shutdown, Vitals],
})
export class LifecycleModule {}
