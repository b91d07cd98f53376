import type { Vendor } from '../vendor';
import { plain } from '../vendor-answer';
import {
  type AnswerHead,
  VendorHttp,
  type VendorRequest,
  type VendorResponse,
  type VendorStream,
} from '../vendor-http';

/** What was asked and what came, fit to be shown: no header, and so no credential. */
export interface Exchange {
  asked: string;
  came: string;
  /** Null where there was no whole answer. */
  answer: (AnswerHead & { text: string }) | null;
  tookMs: number;
}

/** Bodies beyond this are listings; the calls that matter later are shorter. */
const TEXT_KEPT = 2000;
/** A million rows in pages of a thousand, and the calls around them. */
const EXCHANGES_KEPT = 2000;

/** Calls vendors exactly as the app does, and remembers it. */
export class RecordedHttp extends VendorHttp {
  readonly exchanges: Exchange[] = [];

  get last(): Exchange {
    return this.exchanges.at(-1)!;
  }

  override async call(vendor: Vendor, request: VendorRequest): Promise<VendorResponse> {
    return this.record(request, super.call(vendor, request), ({ text }) => text);
  }

  override async stream(vendor: Vendor, request: VendorRequest): Promise<VendorStream> {
    return this.record(request, super.stream(vendor, request), () => '');
  }

  private async record<Answer extends AnswerHead>(
    { method, path, body = '' }: VendorRequest,
    call: Promise<Answer>,
    textOf: (answer: Answer) => string,
  ): Promise<Answer> {
    const asked = `${method} ${path} ${body}`.trim();
    const askedAt = performance.now();
    const keep = (came: string, answer: Exchange['answer']) => {
      this.exchanges.push({ asked, came, answer, tookMs: performance.now() - askedAt });
      if (this.exchanges.length > EXCHANGES_KEPT) this.exchanges.shift();
    };
    try {
      const answer = await call;
      const { status, headers } = answer;
      // A slice alone would keep the whole page alive.
      const text = Buffer.from(textOf(answer).slice(0, TEXT_KEPT)).toString();
      keep(`${status} ${plain(text)}`.trim(), { status, headers, text });
      return answer;
    } catch (error) {
      keep((error as Error).message, null);
      throw error;
    }
  }
}
