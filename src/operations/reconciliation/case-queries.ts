import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ListsDataSource } from '../../database/pools';
import { row, rows } from '../../database/sql';
import { timestampText } from '../../http/cursor';
import { UUID } from '../../http/rules';
import type { Case, CaseKind, CaseStatus } from './case';
import { CaseNotFound } from './reconciliation.errors';

export interface CaseFilter {
  status?: CaseStatus;
  kind?: CaseKind;
  vendorId?: string;
  /** Sort key of the last case of the page before. */
  after?: readonly [openedAt: string, caseId: string];
  limit: number;
}

type CaseRow = Omit<Case, 'openedAt' | 'checkedAt' | 'resolvedAt'> & {
  openedAt: Date;
  checkedAt: Date;
  resolvedAt: Date | null;
  sort_key: string;
};

const COLUMNS = `case_id AS "caseId", vendor_id AS "vendorId", order_id AS "orderId", product_id AS "productId", kind, evidence,
  resolutions, status, resolution, note, actor, opened_at AS "openedAt", checked_at AS "checkedAt",
  resolved_at AS "resolvedAt", ${timestampText('opened_at')} AS sort_key`;

/** Cases as an operator sees them. */
@Injectable()
export class CaseQueries {
  constructor(
    private readonly dataSource: DataSource,
    private readonly lists: ListsDataSource,
  ) {}

  /** Throws `CaseNotFound`. */
  async get(caseId: string): Promise<Case> {
    const statement = `SELECT ${COLUMNS} FROM reconciliation_cases WHERE case_id = $1`;
    const found = UUID.test(caseId) ? await row<CaseRow>(this.dataSource.manager, statement, [caseId]) : undefined;
    if (!found) throw new CaseNotFound(caseId);
    return caseOf(found);
  }

  /** Newest first, with their sort keys. */
  async list(filter: CaseFilter): Promise<{ found: Case; sortKey: readonly string[] }[]> {
    const { conditions, values } = conditionsOf(filter);
    const statement = `SELECT ${COLUMNS} FROM reconciliation_cases ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
       ORDER BY opened_at DESC, case_id DESC LIMIT ${filter.limit}`;
    const found = await this.lists.read((on) => rows<CaseRow>(on, statement, values));
    return found.map((listed) => ({ found: caseOf(listed), sortKey: [listed.sort_key, listed.caseId] }));
  }
}

/** Only the conditions that are asked for, so that each has an index the planner can see. */
function conditionsOf(filter: CaseFilter): { conditions: string[]; values: unknown[] } {
  const values: unknown[] = [];
  const placeholder = (value: unknown): string => `$${values.push(value)}`;
  const conditions: string[] = [];
  if (filter.status !== undefined) conditions.push(`status = ${placeholder(filter.status)}`);
  if (filter.kind !== undefined) conditions.push(`kind = ${placeholder(filter.kind)}`);
  if (filter.vendorId !== undefined) conditions.push(`vendor_id = ${placeholder(filter.vendorId)}`);
  if (filter.after !== undefined) {
    const [openedAt, caseId] = filter.after;
    conditions.push(`(opened_at, case_id) < (${placeholder(openedAt)}::timestamptz, ${placeholder(caseId)}::varchar)`);
  }
  return { conditions, values };
}

function caseOf({ sort_key: _, ...found }: CaseRow): Case {
  return {
    ...found,
    openedAt: found.openedAt.toISOString(),
    checkedAt: found.checkedAt.toISOString(),
    resolvedAt: found.resolvedAt?.toISOString() ?? null,
  };
}
