import { Global, Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { Agents } from './agents';

@Global()
@Module({ imports: [ScheduleModule.forRoot()], providers: [Agents], exports: [Agents] })
export class LifecycleModule {}
