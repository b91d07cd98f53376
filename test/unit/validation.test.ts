import { validationPipe } from '../../src/http/validation';
import { CheckOutDto } from '../../src/orders/checkouts.dto';

const check = (body: unknown): Promise<unknown> =>
  validationPipe().transform(body, { type: 'body', metatype: CheckOutDto });

const line = { productId: 'acme:A', quantity: 1 };

describe('the body of a checkout', () => {
  it('is one to a hundred lines', async () => {
    await expect(check({ lines: [line] })).resolves.toMatchObject({ lines: [line] });
    await expect(check({ lines: Array.from({ length: 100 }, () => line) })).resolves.toBeDefined();
  });

  it.each([
    ['nothing', undefined, 'body'],
    ['a list', [line], 'body'],
    ['no lines', {}, 'lines'],
    ['an empty list', { lines: [] }, 'lines'],
    ['101 lines', { lines: Array.from({ length: 101 }, () => line) }, 'lines'],
    ['a line that is a number', { lines: [1] }, 'lines[0]'],
    ['a line that is null', { lines: [line, null] }, 'lines[1]'],
    ['a line that is a list', { lines: [[]] }, 'lines[0]'],
    ['a line that is a list of lines', { lines: [[line]] }, 'lines[0]'],
    ['a line without a product', { lines: [{ quantity: 1 }] }, 'lines[0].productId'],
    ['a quantity of half', { lines: [{ ...line, quantity: 0.5 }] }, 'lines[0].quantity'],
    ['a quantity as text', { lines: [line, { ...line, quantity: '1' }] }, 'lines[1].quantity'],
    ['an unknown field in a line', { lines: [{ ...line, price: '1.00' }] }, 'lines[0].price'],
    ['an inherited name in a line', { lines: [JSON.parse('{"__proto__":{}}')] }, 'lines[0].__proto__'],
    ['an unknown field beside the lines', { lines: [line], coupon: 'x' }, 'coupon'],
  ])('is refused for %s, naming where', async (_, body, field) => {
    const errors = expect.arrayContaining([expect.objectContaining({ field })]) as unknown;
    await expect(check(body)).rejects.toMatchObject({ code: 'VALIDATION_FAILED', errors });
  });
});
